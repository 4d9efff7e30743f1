import { join } from 'node:path'
import { pino } from 'pino'
import { acquireNodeLock } from '../../src/admin/index.js'
import {
  type ConsensusMessage,
  decodeConsensusMessage,
  decodeProposalPayload,
  encodeConsensusMessage,
  networkIdOf
} from '../../src/codec/index.js'
import { contractPaths, loadConfig } from '../../src/config/index.js'
import type { Genesis } from '../../src/consensus/types.js'
import { createKeyPair, type KeyPair } from '../../src/crypto/index.js'
import { LedgerStore } from '../../src/ledger/index.js'
import { createNetwork, type Network } from '../../src/network/index.js'
import { describeNetwork } from '../../src/node/genesis.js'
import { makeTempDir, onCleanup } from './cluster.js'
import { Forger } from './forger.js'
import type { NodeProcess } from './node-process.js'
import { HOST } from './ports.js'

/** What names the network of a node that does not run. */
export async function readGenesis(node: NodeProcess): Promise<Genesis> {
  const lock = await acquireNodeLock(node.dir)
  const store = await LedgerStore.open(contractPaths(node.dir).ledgers, { log: pino({ level: 'silent' }) })
  try {
    const genesis = store.getGenesis()
    if (genesis === null) throw new Error(`${node.dir} has no ledgers`)
    return genesis
  } finally {
    await store.close()
    await lock.release()
  }
}

export async function readKeys(node: NodeProcess): Promise<KeyPair> {
  return (await loadConfig(node.dir)).keys
}

export interface MaliciousOptions {
  genesis: Genesis
  keys?: KeyPair
  /** What it says of its own last ledger. */
  seq?: number
  role?: 'validator' | 'observer'
}

/** A peer that speaks the protocols well and means ill: it passes hello with a key of its choice and says what it is told to. */
export class MaliciousPeer extends Forger {
  private constructor(
    readonly network: Network,
    genesis: Genesis,
    keys: KeyPair
  ) {
    super(genesis, keys)
    network.onGossip('consensus', (bytes) => {
      this.#follow(bytes)
      return 'accept'
    })
  }

  /** Connects to all `targets`; stopped after the test. */
  static async join(targets: NodeProcess[], options: MaliciousOptions): Promise<MaliciousPeer> {
    const { genesis, keys = createKeyPair(), seq = 0, role = 'validator' } = options
    const network = await createNetwork({
      keyPair: keys,
      networkId: networkIdOf(genesis),
      validators: () => genesis.config.unl,
      describe: () => ({ ...describeNetwork(genesis), role, seq, lcl: '00'.repeat(32) }),
      listen: { host: HOST, wsPort: 0, tcpPort: null },
      peers: targets.map(({ ports }) => `/ip4/${HOST}/tcp/${ports.peerport}/ws`),
      dataDir: join(await makeTempDir(), 'peer'),
      agentVersion: 'malicious',
      log: pino({ level: 'silent' })
    })
    onCleanup(() => network.stop())
    return new MaliciousPeer(network, genesis, keys)
  }

  /** Nodes that take its gossip. */
  get listeners(): string[] {
    return this.network.subscribers('consensus')
  }

  async leave(): Promise<void> {
    await this.network.stop()
  }

  say(message: ConsensusMessage): Promise<void> {
    return this.sayBytes(encodeConsensusMessage(message, this.unl))
  }

  sayBytes(bytes: Uint8Array): Promise<void> {
    return this.network.publish('consensus', bytes, { resend: true })
  }

  /** One message of the party line for a ledger that comes soon. */
  sayNpl(ordinal: number, data: Uint8Array): Promise<void> {
    return this.network.publish('npl', this.npl(ordinal, data))
  }

  #follow(bytes: Uint8Array): void {
    const message = decodeConsensusMessage(bytes, 1024 * 1024)
    if (message.type !== 'proposal') return
    const { seq, lcl } = decodeProposalPayload(message.proposal.signed.payload)
    if (seq < this.seq) return
    this.seq = seq + 1
    this.lcl = lcl
  }
}

export { randomHash } from './forger.js'
