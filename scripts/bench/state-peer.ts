/** A process of its own that serves its state to a peer, or copies one: what a node does, without the node around it. */
import { once } from 'node:events'
import fs from 'node:fs'
import { pino } from 'pino'
import type { KeyPair } from '../../dist/crypto/index.js'
import { createNetwork, type Network } from '../../dist/network/index.js'
import { copyState, serveState } from '../../dist/node/state-copy.js'
import { StateStore } from '../../dist/state/index.js'

export interface PeerSetup {
  stateDir: string
  metaDir: string
  dataDir: string
  keyPair: KeyPair
  /** Public keys of all validators. */
  validators: string[]
  /** Multiaddrs. */
  peers: string[]
}

export type PeerCommand =
  | { do: 'start'; setup: PeerSetup }
  | { do: 'commit' }
  | { do: 'copy'; root: string }
  | { do: 'nothing' }
  | { do: 'stop' }

export interface CopyFigures {
  /** Until the state is in place and committed. */
  seconds: number
  /** Content, listings and lists of hashes. */
  fetchedBytes: number
  /** Requests and answers of this node, both ways. */
  wireBytes: number
}

export interface PeerReply {
  error?: string
  address: string
  root: string
  copy: CopyFigures | undefined
  /** Most resident memory so far, bytes. */
  peakBytes: number
  /** CPU time since the last reply, seconds. */
  cpuS: number
}

const log = pino({ level: process.env.BENCH_LOG ?? 'silent' }, pino.destination(2))
const ZERO = '00'.repeat(32)
let store: StateStore
let network: Network
let copy: CopyFigures | undefined
let usedBefore = process.cpuUsage()

async function start(setup: PeerSetup): Promise<void> {
  store = await StateStore.open({ stateDir: setup.stateDir, metaDir: setup.metaDir, log })
  await commit()
  network = await createNetwork({
    keyPair: setup.keyPair,
    networkId: ZERO,
    validators: () => setup.validators,
    describe: () => ({
      contractId: 'bench',
      unlHash: ZERO,
      configHash: ZERO,
      genesisStateRoot: ZERO,
      threshold: 80,
      roundtimeMs: 1000,
      minRoundtimeMs: 0,
      limitsHash: ZERO,
      role: 'validator',
      seq: 0,
      lcl: ZERO
    }),
    listen: { host: '127.0.0.1', wsPort: 0, tcpPort: null },
    peers: setup.peers,
    dataDir: setup.dataDir,
    agentVersion: 'hp-p2p/bench',
    log
  })
  await serveState(network, store)
  const missing = (): boolean => network.peers().filter(({ connected }) => connected).length < setup.peers.length
  while (missing()) await new Promise((resolve) => setTimeout(resolve, 20))
}

async function commit(): Promise<void> {
  const { root } = await store.scan()
  await store.commit(root)
}

const wireBytes = (): number => network.peers().reduce((sum, { bytesIn, bytesOut }) => sum + bytesIn + bytesOut, 0)

async function copyFrom(root: string): Promise<CopyFigures> {
  const before = wireBytes()
  const startMs = performance.now()
  let fetchedBytes = 0
  await copyState(root, {
    network,
    state: store,
    log,
    signal: new AbortController().signal,
    onProgress: (progress) => {
      fetchedBytes = progress.fetchedBytes
    }
  })
  return { seconds: (performance.now() - startMs) / 1000, fetchedBytes, wireBytes: wireBytes() - before }
}

async function run(command: PeerCommand): Promise<void> {
  copy = undefined
  if (command.do === 'start') await start(command.setup)
  else if (command.do === 'commit') await commit()
  else if (command.do === 'nothing') return
  else if (command.do === 'copy') copy = await copyFrom(command.root)
  else {
    await network?.stop()
    await store?.close()
  }
}

process.on('message', async (command: PeerCommand) => {
  let error: string | undefined
  try {
    await run(command)
  } catch (failure) {
    error = failure instanceof Error ? (failure.stack ?? failure.message) : String(failure)
  }
  const peakKib = Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0)
  const address = network?.addresses().find((each) => each.includes('/ws')) ?? ''
  const { user, system } = process.cpuUsage(usedBefore)
  usedBefore = process.cpuUsage()
  const cpuS = (user + system) / 1e6
  const reply: PeerReply = { cpuS, address, root: store?.committedRoot ?? '', copy, peakBytes: peakKib * 1024 }
  process.send?.(error === undefined ? reply : { ...reply, error })
  if (command.do === 'stop') process.disconnect()
})
await once(process, 'disconnect')
