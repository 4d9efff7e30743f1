import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { networkIdOf } from '../codec/index.js'
import { contractPaths, type NodeConfig } from '../config/index.js'
import type { Hash } from '../consensus/types.js'
import { createGenesis } from '../node/genesis.js'
import { loadNode } from './node-api.js'

/** The network of the stored ledgers; null when there is none yet. */
async function storedNetworkId(dir: string): Promise<Hash | null> {
  const stored = await stat(contractPaths(dir).ledgers).catch(() => null)
  if (stored === null) return null
  const node = await loadNode()
  const ledgers = await node.openOfflineLedgers(dir)
  try {
    return (await ledgers.ledger(0))?.networkId ?? null
  } finally {
    await ledgers.close()
  }
}

async function scanState(stateDir: string): Promise<Hash> {
  const { EMPTY_ROOT, StateStore } = await import('../state/index.js')
  if ((await stat(stateDir).catch(() => null)) === null) return EMPTY_ROOT
  const metaDir = await mkdtemp(join(tmpdir(), 'hp-id-'))
  try {
    const store = await StateStore.open({ stateDir, metaDir, log: pino({ level: 'silent' }) })
    try {
      return (await store.scan()).root
    } finally {
      await store.close()
    }
  } finally {
    await rm(metaDir, { recursive: true, force: true })
  }
}

/** The network that a stopped node belongs to: that of its ledgers, else the one that its next start begins. */
export async function findNetworkId(config: NodeConfig): Promise<Hash> {
  const stored = await storedNetworkId(config.dir)
  if (stored !== null) return stored
  const stateRoot = await scanState(contractPaths(config.dir).state)
  return networkIdOf(createGenesis(config.contractId, config.consensus, stateRoot))
}
