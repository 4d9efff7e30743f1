import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as pb from '../../../src/codec/pb/sync.js'
import type { KeyPair } from '../../../src/crypto/index.js'
import type { Network, RequestHandler } from '../../../src/network/index.js'
import { askStateRoot, copyState, diffWithPeer, STATE_SERVICE, serveState } from '../../../src/node/state-copy.js'
import type { StateStore, SyncProgress } from '../../../src/state/index.js'
import { createKeyPairs, startNode, until } from '../network/helpers.js'
import { listTree, log, makeBytes, Sandbox } from './helpers.js'

describe('copying a state over the network', { timeout: 90_000 }, () => {
  let boxes: Sandbox[]
  beforeEach(() => {
    boxes = []
  })
  afterEach(async () => {
    for (const box of boxes) await box.destroy()
  }, 60_000)

  /** Nodes that know each other; the first one holds nothing yet. */
  async function startNodes(count: number): Promise<Network[]> {
    const pairs = createKeyPairs(count)
    const validators = () => pairs.map((pair) => pair.publicKey)
    const first = await startNode(pairs[0] as KeyPair, { validators })
    const peers = [first.address.replace(/\/p2p\/.*/, '')]
    const rest = await Promise.all(pairs.slice(1).map((pair) => startNode(pair, { validators, peers })))
    const connected = () => first.network.peers().filter((peer) => peer.connected).length
    await until('all are connected', () => connected() === count - 1)
    return [first.network, ...rest.map(({ network }) => network)]
  }

  async function openBox(fill?: (box: Sandbox) => void): Promise<{ box: Sandbox; store: StateStore }> {
    const box = new Sandbox()
    boxes.push(box)
    const store = await box.open()
    fill?.(box)
    await store.commit((await store.scan()).root)
    return { box, store }
  }

  const fillLarge = (box: Sandbox) => {
    box.write('large', makeBytes(12_000_000, 1))
    for (let i = 0; i < 50; i++) box.write(`dir/${i}`, makeBytes(i * 1000, i))
    fs.symlinkSync('dir', box.path('link'))
  }

  const copy = async (network: Network, store: StateStore, root: string) => {
    const told: SyncProgress[] = []
    const { signal } = new AbortController()
    await copyState(root, { network, state: store, log, signal, onProgress: (progress) => told.push(progress) })
    return told
  }

  it('takes it from several peers at once and tells how far it is', async () => {
    const [network, ...servers] = (await startNodes(4)) as [Network, ...Network[]]
    const sources = []
    for (const server of servers) {
      const source = await openBox(fillLarge)
      await serveState(server, source.store)
      sources.push(source)
    }
    const { box, store } = await openBox()
    const root = sources[0]!.store.committedRoot
    const told = await copy(network, store, root)
    expect(store.committedRoot).toBe(root)
    expect(listTree(box.stateDir)).toEqual(listTree(sources[0]!.box.stateDir))
    const last = told.at(-1)!
    expect(last).toMatchObject({ phase: 'done', sources: 3, badSources: 0, totalFiles: 51 })
    expect(last.doneBytes).toBe(last.totalBytes)
    const done = told.map(({ doneBytes }) => doneBytes)
    expect(done).toEqual([...done].sort((a, b) => a - b))
    expect(new Set(told.map(({ phase }) => phase))).toEqual(new Set(['tree', 'content', 'applying', 'done']))
  })

  const chunks = (all: Uint8Array[]) =>
    pb.StateChunks.encode({ chunks: all.map((content) => ({ present: true, content: new Uint8Array(content) })) })
  const lies: [string, RequestHandler][] = [
    ['wrong blocks', async () => chunks(Array.from({ length: 64 }, () => Buffer.alloc(65_536, 7)))],
    ['no message', async () => Buffer.alloc(1000, 0xff)],
    ['an empty answer', async () => new Uint8Array(0)],
    ['more chunks than asked for', async () => chunks(Array.from({ length: 500 }, () => Buffer.alloc(1)))],
    ['one enormous chunk', async () => chunks([Buffer.alloc(4_000_000)])],
    ['an error', () => Promise.reject(new Error('no'))],
    ['an answer without end', endless],
    ['nothing at all', () => new Promise(() => undefined)]
  ]
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) yield Buffer.alloc(1_000_000)
  }

  it.each(lies)('copies from an honest peer beside one that sends %s', async (_name, handler) => {
    const [network, liar, honest] = (await startNodes(3)) as [Network, Network, Network]
    const source = await openBox(fillLarge)
    await serveState(honest, source.store)
    let asked = 0
    await liar.handle(STATE_SERVICE, 1, { maxResponseBytes: 8_000_000 }, (...args) => {
      asked++
      return handler(...args)
    })
    const { box, store } = await openBox()
    await copy(network, store, source.store.committedRoot)
    expect(listTree(box.stateDir)).toEqual(listTree(source.box.stateDir))
    expect(asked).toBeGreaterThan(0)
    expect(fs.existsSync(path.join(box.metaDir, 'fetched'))).toBe(false)
  })

  it('names the root of a peer and tells what differs from it', async () => {
    const [network, server] = (await startNodes(2)) as [Network, Network]
    const source = await openBox((box) => box.write('theirs', 'x'))
    const mine = await openBox((box) => box.write('mine', 'x'))
    await expect(askStateRoot(network, server.publicKey)).rejects.toMatchObject({ code: 'unsupported' })
    await serveState(server, source.store)
    expect(await askStateRoot(network, server.publicKey)).toBe(source.store.committedRoot)
    const diff = await diffWithPeer(network, server.publicKey, mine.store.reader.tree)
    expect(diff.remoteRoot).toBe(source.store.committedRoot)
    expect(diff.differences.map(({ path: at, kind }) => `${kind} ${at}`)).toEqual(['removed mine', 'added theirs'])
  })
})
