import { mkdir, mkdtemp, open, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import type { Logger } from 'pino'
import { CodecError, decodeCanonical, decodeGenesis, genesisLedger, networkIdOf } from '../../codec/index.js'
import * as pb from '../../codec/pb/join.js'
import { contractPaths, createContractDir } from '../../config/index.js'
import type { Genesis, Hash, PublicKey } from '../../consensus/types.js'
import { createHasher, createKeyPair, type KeyPair } from '../../crypto/index.js'
import { LedgerStore } from '../../ledger/index.js'
import { askForInvitation, createNetwork, type Network, RequestError } from '../../network/index.js'
import { VERSION } from '../../version.js'
import { noteJournal } from '../disk.js'
import { NodeError } from '../errors.js'
import { describeNetwork } from '../genesis.js'
import { Journal, openJournalFile } from '../journal.js'
import {
  type ContractFile,
  type ContractManifest,
  decodeManifest,
  MANIFEST_BYTES_MAX,
  manifestHash,
  PIECE_BYTES
} from './contract-files.js'
import { JOIN_SERVICES } from './join-services.js'
import { fetchStartRecords } from './start-records.js'

const INVITATION_TIMEOUT_MS = 15_000
const HELLO_TIMEOUT_MS = 20_000
const PIECE_TIMEOUTS = { firstByteMs: 10_000, totalMs: 30_000 }
const INVITATION_BYTES = 32 * 1024

export interface JoinOptions {
  /** The directory to be made. */
  dir: string
  /** Multiaddr of one node of the network. */
  address: string
  /** The network that is expected; null for whichever it is. */
  network: Hash | null
  /** Ledgers before the last one that are fetched in full; Infinity for all. */
  ledgers: number
  /** Further keys of hp.cfg. */
  config: Record<string, unknown>
  log: Logger
  signal: AbortSignal
  /** One sentence for each step. */
  onStep: (what: string) => void
}

export interface Joined {
  publicKey: PublicKey
  networkId: Hash
  contractId: string
  /** Names the contract; other nodes of the network that run the same show the same. */
  contractHash: Hash
  contract: ContractManifest
  /** The ledger to begin after; 0 for the genesis. */
  base: number
  warnings: string[]
}

/**
 * Makes the directory of a new node from what one node of the network tells: genesis and config, the contract with its
 * bin/, and the ledger to begin with, whose certificates are checked from the genesis on. Nothing is left behind when it
 * rejects.
 *
 * @throws NodeError, NetworkError, LedgerStoreError, ConfigError with words for the operator
 */
export async function prepareJoin(options: JoinOptions): Promise<Joined> {
  const dir = resolve(options.dir)
  if (await exists(dir)) throw new NodeError(`${dir} is there already: choose another name or remove it`)
  const draft = join(dirname(dir), `.${basename(dir)}.joining`)
  await rm(draft, { recursive: true, force: true })
  try {
    const joined = await prepareIn(draft, options)
    await rename(draft, dir)
    return joined
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    throw error
  }
}

async function prepareIn(dir: string, options: JoinOptions): Promise<Joined> {
  const { address, signal, onStep, log } = options
  const keyPair = createKeyPair()
  const invited = await askForInvitation(address, { keyPair, timeoutMs: INVITATION_TIMEOUT_MS, signal })
  const genesis = readInvitation(invited.invitation, address)
  const networkId = networkIdOf(genesis)
  if (options.network !== null && options.network !== networkId) {
    throw new NodeError(
      `${address} belongs to network ${networkId}, not to ${options.network}: is it the right node, and the right --network?`
    )
  }
  onStep(`network ${networkId}, contract id ${JSON.stringify(genesis.contractId)}`)
  // Whom it meets now is asked again by the node itself, which has a peer store of its own.
  const peerStore = await mkdtemp(join(tmpdir(), 'hp-p2p-join-'))
  try {
    const network = await connect(peerStore, keyPair, genesis, address, invited.peer, log, signal)
    try {
      const parts = { network, peer: invited.peer, dir, genesis, keyPair }
      return {
        publicKey: keyPair.publicKey,
        networkId,
        contractId: genesis.contractId,
        ...(await fetchAll(parts, options))
      }
    } finally {
      await network.stop()
    }
  } finally {
    await rm(peerStore, { recursive: true, force: true })
  }
}

interface Parts {
  network: Network
  peer: PublicKey
  dir: string
  genesis: Genesis
  keyPair: KeyPair
}

async function fetchAll(
  parts: Parts,
  options: JoinOptions
): Promise<Pick<Joined, 'contract' | 'contractHash' | 'base' | 'warnings'>> {
  const { dir, genesis, keyPair } = parts
  const contract = await fetchManifest(parts, options.signal)
  const contractHash = manifestHash(contract)
  const { command, warnings } = await chooseCommand(contract)
  await createContractDir(dir, {
    keys: keyPair,
    unl: genesis.config.unl,
    binary: command,
    binargs: contract.args,
    extra: { ...configKeys(genesis), ...options.config, peers: [options.address] }
  })
  await fetchFiles(parts, contract.files, options.signal)
  options.onStep(`contract ${contractHash}: ${describeContract(contract)}`)
  const base = await fetchStart(parts, options)
  return { contract, contractHash, base, warnings }
}

/** What a peer tells a stranger of its network, which is `address` in errors. @throws NodeError */
export function readInvitation(bytes: Uint8Array, address: string): Genesis {
  try {
    const message = decodeCanonical(pb.Invitation, bytes, { maxBytes: INVITATION_BYTES, name: 'invitation' })
    return decodeGenesis(message.genesis)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    throw new NodeError(`${address} tells of a network that this program cannot read: ${error.message}`)
  }
}

/** The agreed keys of hp.cfg. */
function configKeys({ contractId, config }: Genesis): Record<string, unknown> {
  return {
    contractid: contractId,
    roundtime: config.roundtimeMs,
    minroundtime: config.minRoundtimeMs,
    threshold: config.threshold,
    ledgerbytes: config.ledgerInputBytes,
    useroutputbytes: config.userOutputBytes,
    outputbytes: config.ledgerOutputBytes,
    nplbytes: config.nplBytes,
    exectimeout: config.execTimeoutMs
  }
}

/** A network of this one peer, listening nowhere. */
async function connect(
  dataDir: string,
  keyPair: KeyPair,
  genesis: Genesis,
  address: string,
  peer: PublicKey,
  log: Logger,
  signal: AbortSignal
): Promise<Network> {
  const zero = genesisLedger(genesis)
  const network = await createNetwork({
    keyPair,
    networkId: zero.header.networkId,
    validators: () => genesis.config.unl,
    describe: () => ({ ...describeNetwork(genesis), role: 'observer', seq: 0, lcl: zero.hash }),
    listen: { host: '127.0.0.1', wsPort: null, tcpPort: null },
    peers: [address],
    dataDir,
    agentVersion: `hp-p2p/${VERSION}`,
    log
  })
  try {
    await waitForPeer(network, peer, signal)
    return network
  } catch (error) {
    await network.stop()
    throw error
  }
}

function waitForPeer(network: Network, peer: PublicKey, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const isThere = (): boolean => network.connected().includes(peer)
    const finish = (error: Error | null): void => {
      clearInterval(poll)
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      if (error === null) resolve()
      else reject(error)
    }
    const lastError = (): string =>
      network.peers().find(({ publicKey }) => publicKey === peer)?.lastError ?? 'no answer'
    const onAbort = (): void => finish(signal.reason)
    const poll = setInterval(() => {
      if (isThere()) finish(null)
      else if (/^refused by the peer/.test(lastError())) {
        const words = `the node does not take this one in: ${lastError()}. The key of this attempt is ${network.publicKey}.`
        finish(new NodeError(words))
      }
    }, 20)
    const timer = setTimeout(() => {
      finish(new NodeError(`the node was reached and did not complete the first words: ${lastError()}`))
    }, HELLO_TIMEOUT_MS)
    signal.addEventListener('abort', onAbort)
  })
}

async function fetchManifest({ network, peer }: Parts, signal: AbortSignal): Promise<ContractManifest> {
  const request = pb.ContractRequest.encode({ path: '', offset: 0 })
  const answer = await asking('its contract', () =>
    network.request(peer, JOIN_SERVICES.contract, request, {
      maxResponseBytes: MANIFEST_BYTES_MAX,
      timeouts: { firstByteMs: 60_000, totalMs: 90_000 },
      signal
    })
  )
  try {
    return decodeManifest(answer)
  } catch (error) {
    if (error instanceof CodecError) throw new NodeError(`the node tells nonsense of its contract: ${error.message}`)
    throw error
  }
}

async function fetchFiles(parts: Parts, files: ContractFile[], signal: AbortSignal): Promise<void> {
  for (const file of files) {
    const path = join(parts.dir, ...file.path.split('/'))
    await mkdir(dirname(path), { recursive: true })
    const out = await open(path, 'wx', file.executable ? 0o755 : 0o644)
    try {
      const hasher = createHasher()
      for (let offset = 0; offset < file.bytes; ) {
        const content = await fetchPiece(parts, file, offset, signal)
        hasher.update(content)
        await out.write(content)
        offset += content.length
      }
      if (hasher.digest().toString('hex') !== file.hash) {
        throw new NodeError(`${file.path} of the contract changed while it was fetched: try again`)
      }
      await out.sync()
    } finally {
      await out.close()
    }
  }
}

async function fetchPiece(
  { network, peer }: Parts,
  { path, bytes }: ContractFile,
  offset: number,
  signal: AbortSignal
): Promise<Uint8Array> {
  const request = pb.ContractRequest.encode({ path, offset })
  const options = { maxResponseBytes: PIECE_BYTES + 64, timeouts: PIECE_TIMEOUTS, signal }
  const answer = await asking(path, () => network.request(peer, JOIN_SERVICES.contract, request, options))
  const { content } = decodeCanonical(pb.ContractPiece, answer, { maxBytes: PIECE_BYTES + 64, name: path })
  const expected = Math.min(PIECE_BYTES, bytes - offset)
  if (content.length !== expected) {
    throw new NodeError(`${path} of the contract changed while it was fetched: try again`)
  }
  return content
}

async function asking<T>(what: string, ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof RequestError)) throw error
      if (error.code !== 'rate-limited' || attempt >= 20) {
        throw new NodeError(`the node did not hand over ${what}: ${error.message}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
  }
}

function describeContract({ binary, args, files }: ContractManifest): string {
  const bytes = files.reduce((sum, { bytes: size }) => sum + size, 0)
  return `${[binary, ...args].join(' ')}, ${files.length} files in bin/, ${bytes} bytes`
}

/** The contract's program as it is called here, and what the operator should know of it. */
async function chooseCommand({ binary }: ContractManifest): Promise<{ command: string; warnings: string[] }> {
  if (!isAbsolute(binary) || (await exists(binary))) return { command: binary, warnings: [] }
  const command = basename(binary)
  const warning = `the contract's program ${binary} is not on this machine: ${command} is looked up on PATH instead`
  return { command, warnings: [warning] }
}

/** Fetches where the ledgers begin, checks it from the genesis on and puts it into the ledger store. */
async function fetchStart(parts: Parts, { ledgers, log, signal, onStep }: JoinOptions): Promise<number> {
  const { dir, genesis } = parts
  const store = await LedgerStore.open(contractPaths(dir).ledgers, { log })
  try {
    await store.putGenesis(genesis)
    // The key is new: it has not voted, so that no journal is missing.
    const { journal } = await Journal.open(
      await openJournalFile(contractPaths(dir).journal),
      networkIdOf(genesis),
      parts.keyPair.publicKey
    )
    await noteJournal(store, journal, true)
    await journal.close()
    const records = await fetchStartRecords(parts.network, parts.peer, ledgers, signal)
    const base = records.pop()
    if (base === undefined) return 0
    await store.startFrom({ milestones: records, base })
    const { seq } = store.tip()
    onStep(`ledger ${seq} is proven, with ${records.length} changes of the config before it`)
    return seq
  } finally {
    await store.close()
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false
  )
}
