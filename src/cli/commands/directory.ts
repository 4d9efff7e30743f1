import type { Command } from 'commander'
import { acquireNodeLock } from '../../admin/index.js'
import { createContractDir, loadConfig, rekeyContractDir } from '../../config/index.js'
import { identify } from '../identity.js'
import { portOrOff, requireContractDir } from '../options.js'
import { formatFields, printLine, printValue } from '../output.js'

interface NewOptions {
  binary?: string
  binargs?: string
  peerport?: number
  pubport?: number
  tcpport?: number
  contractid?: string
  json?: boolean
}

async function runNew(dir: string, options: NewOptions): Promise<void> {
  await createContractDir(dir, {
    ...options,
    extra: options.contractid === undefined ? {} : { contractid: options.contractid }
  })
  const id = identify(await loadConfig(dir, { checkFiles: false }))
  if (options.json) return printValue({ dir, ...id })
  printLine(
    formatFields([
      ['directory', dir],
      ['public key', id.publicKey],
      ['peer id', id.peerId]
    ])
  )
  const contract = options.binary === undefined ? ' put the contract at bin/contract or set binary,' : ''
  printLine(`Next:${contract} fill in unl and peers in cfg/hp.cfg, then \`hp-p2p run ${dir}\`.`)
}

async function runRekey(dir: string, options: { json?: boolean }): Promise<void> {
  await requireContractDir(dir)
  const lock = await acquireNodeLock(dir)
  try {
    const result = await rekeyContractDir(dir)
    const id = identify(await loadConfig(dir, { checkFiles: false }))
    if (options.json) return printValue({ dir, oldPublicKey: result.oldPublicKey, ...id, dropped: result.dropped })
    printLine(
      formatFields([
        ['public key', id.publicKey],
        ['peer id', id.peerId],
        ['old key', result.oldPublicKey ?? '-'],
        ['dropped', result.dropped.length === 0 ? '-' : result.dropped.map((name) => `hist/${name}`).join(', ')]
      ])
    )
    printLine('The new key is in the UNL of this directory; add it to the UNL of every other node.')
  } finally {
    await lock.release()
  }
}

export function addDirectoryCommands(program: Command): void {
  program
    .command('new <dir>')
    .description('Make a contract directory with a fresh key pair.')
    .option('--binary <path>', 'the contract, absolute or relative to the directory')
    .option('--binargs <args>', 'its arguments, split on spaces')
    .option('--peerport <port>', 'port for peers, libp2p over WebSocket; 0 for off', portOrOff)
    .option('--tcpport <port>', 'port for peers, libp2p over TCP; 0 for off', portOrOff)
    .option('--pubport <port>', 'port for users; 0 for off', portOrOff)
    .option('--contractid <text>', 'name of the contract, the same on every node')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  hp-p2p new ./node1 --binary /usr/bin/python3 --binargs bin/contract.py --pubport 8081'
    )
    .action(runNew)
  program
    .command('rekey <dir>')
    .description('Give a copied contract directory keys of its own; peer store and journal of the old key are dropped.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  cp -r node1 node2 && hp-p2p rekey ./node2')
    .action(runRekey)
}
