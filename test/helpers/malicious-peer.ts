import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { pino } from 'pino'
import { acquireNodeLock } from '../../src/admin/index.js'
import {
  type ConsensusMessage,
  decodeConsensusMessage,
  decodeProposalPayload,
  EMPTY_OUTPUTS_ROOT,
  encodeCandidatePayload,
  encodeConsensusMessage,
  encodeInputList,
  encodeNplPayload,
  encodeProposalPayload,
  encodeSigned,
  encodeUserList,
  networkIdOf,
  partHashOf,
  SIGNING_DOMAINS,
  signPayload,
  voteBytes
} from '../../src/codec/index.js'
import { contractPaths, loadConfig } from '../../src/config/index.js'
import type { Genesis, Hash, ProposalUser, VoteKind } from '../../src/consensus/types.js'
import { createKeyPair, type KeyPair, Signer } from '../../src/crypto/index.js'
import { LedgerStore } from '../../src/ledger/index.js'
import { createNetwork, type Network } from '../../src/network/index.js'
import { describeNetwork } from '../../src/node/genesis.js'
import { makeTempDir, onCleanup } from './cluster.js'
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
export class MaliciousPeer {
  readonly networkId: Hash
  readonly unl: string[]
  /** The ledger that the honest nodes decide next: what is said of one that is closed is not even looked at. */
  seq = 1
  lcl: Hash = '00'.repeat(32)
  readonly #signer: Signer

  private constructor(
    readonly network: Network,
    genesis: Genesis,
    keys: KeyPair
  ) {
    this.networkId = networkIdOf(genesis)
    this.unl = [...genesis.config.unl].sort()
    this.#signer = new Signer(keys)
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

  get publicKey(): string {
    return this.#signer.publicKey
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

  /** A proposal for the current ledger (or `seq`), signed, with the parts that are given. */
  proposal(options: {
    seq?: number
    timeMs?: number
    users?: ProposalUser[]
    parts?: 'none' | 'all'
  }): ConsensusMessage {
    const { seq = this.seq, timeMs = Date.now(), users = [], parts = 'all' } = options
    const usersPart = parts === 'none' ? randomBytes(64) : encodeUserList(users)
    const inputsPart = encodeInputList([])
    const payload = encodeProposalPayload({
      networkId: this.networkId,
      seq,
      lcl: this.lcl,
      timeMs,
      usersHash: partHashOf(usersPart),
      inputsHash: partHashOf(inputsPart),
      wishes: [],
      forwards: [],
      result: {
        status: 'ok',
        stateRoot: randomBytes(32).toString('hex'),
        outputsRoot: EMPTY_OUTPUTS_ROOT,
        configHash: '00'.repeat(32)
      }
    })
    const signed = signPayload(SIGNING_DOMAINS.proposal, payload, this.#signer)
    return { type: 'proposal', proposal: { signed, parts: parts === 'none' ? [] : [usersPart, inputsPart] } }
  }

  vote(
    kind: VoteKind,
    hash: Hash | null,
    at: { seq?: number; attempt?: number; hint?: Hash[] } = {}
  ): ConsensusMessage {
    const { seq = this.seq, attempt = 0, hint = [] } = at
    const payload = voteBytes(this.networkId, { seq, attempt, kind, hash })
    return { type: 'vote', vote: { signed: signPayload(SIGNING_DOMAINS.vote, payload, this.#signer), proposals: hint } }
  }

  /** A candidate of an attempt that it coordinates, with prevotes that nobody gave. */
  candidate(): ConsensusMessage {
    const own = this.unl.indexOf(this.publicKey)
    const attempt = 1 + ((own - this.seq - 1 + 4 * this.unl.length) % this.unl.length)
    const hash = randomHash()
    const payload = encodeCandidatePayload({
      networkId: this.networkId,
      seq: this.seq,
      attempt,
      hash,
      proposals: [hash]
    })
    const signatures = this.unl.map((validator) => ({ validator, signature: randomBytes(64) }))
    const prevotes = { seq: this.seq, attempt: 0, hash, signatures }
    return {
      type: 'candidate',
      candidate: { signed: signPayload(SIGNING_DOMAINS.candidate, payload, this.#signer), prevotes }
    }
  }

  /** One message of the party line for a ledger that comes soon. */
  sayNpl(ordinal: number, data: Uint8Array): Promise<void> {
    const payload = encodeNplPayload({ networkId: this.networkId, seq: this.seq, lcl: this.lcl, ordinal, data })
    return this.network.publish('npl', encodeSigned(signPayload(SIGNING_DOMAINS.npl, payload, this.#signer)))
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

export function randomHash(): Hash {
  return randomBytes(32).toString('hex')
}
