import { createPublicKey, verify } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkOneChain } from '../helpers/chain.js'
import { Cluster } from '../helpers/cluster.js'

const MIB = 1024 * 1024
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

interface Document {
  text: string
  signatures: { node: string; key: string; signature: string }[]
}

function expectSigned(document: Document, nodes: string[]): void {
  expect(document.signatures.map(({ node }) => node)).toEqual([...nodes].sort())
  for (const { key, signature } of document.signatures) {
    const der = Buffer.concat([SPKI_PREFIX, Buffer.from(key, 'hex')])
    const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' })
    expect(verify(null, Buffer.from(document.text), publicKey, Buffer.from(signature, 'hex'))).toBe(true)
  }
  expect(new Set(document.signatures.map(({ key }) => key)).size).toBe(nodes.length)
}

/** Bytes that a wrong order, a lost or a doubled piece would show in. */
function pattern(bytes: number): { input: Buffer; output: Buffer } {
  const input = Buffer.alloc(bytes)
  for (let offset = 0; offset < bytes; offset += 16) input.write(`${offset} piece ________`, offset, 16, 'latin1')
  return { input, output: Buffer.from(input.toString('latin1').toUpperCase(), 'latin1') }
}

describe('the examples on a network of four', () => {
  it('echo (C) answers, also to 1 MiB and 4 MiB', async () => {
    const cluster = await Cluster.start({ contract: 'echo', config: { roundtime: 1000, pubmaxsize: 4 * MIB } })
    const user = await cluster.connect(0)
    expect(await user.ask('hello\n')).toBe('HELLO\n')
    for (const bytes of [MIB, 4 * MIB]) {
      const { input, output } = pattern(bytes)
      const before = user.outputs.length
      user.send(input)
      await cluster.waitUntil(`${bytes} bytes`, () => user.outputs.length > before)
      expect(Buffer.compare(user.outputs[before] as Uint8Array, output)).toBe(0)
    }
    expect(user.notices).toEqual([])
    await cluster.waitUntilSettled()
    await cluster.stopAll()
    await checkOneChain(cluster.nodes)
    for (const node of cluster.nodes) expect(node.warnings()).toEqual([])
  })

  it('echo-node answers', async () => {
    const cluster = await Cluster.start({ contract: 'echo-node', config: { roundtime: 2000 } })
    const user = await cluster.connect(2)
    expect(await user.ask('hello\n')).toBe('HELLO\n')
  })

  it('directory lets the owner of a name alone change it', async () => {
    const cluster = await Cluster.start({ contract: 'directory', config: { roundtime: 2000 } })
    const owner = await cluster.connect(0)
    const stranger = await cluster.connect(1)
    const ask = async (user: typeof owner, request: Record<string, unknown>): Promise<unknown> =>
      JSON.parse(await user.ask(JSON.stringify(request)))
    const name = 'hp.fin.acmebank'
    const entry = { name, unl: ['ab'.repeat(32)], peer: ['203.0.113.7:22860'] }
    expect(await ask(owner, { cmd: 'create', ...entry })).toMatchObject({ success: true })
    expect(await ask(stranger, { cmd: 'create', ...entry })).toMatchObject({ success: false })
    expect(await ask(stranger, { cmd: 'update', name, peer: [] })).toMatchObject({ success: false })
    expect(await ask(owner, { cmd: 'update', name, peer: [] })).toMatchObject({ success: true })
    const updated = { success: true, ...entry, peer: [], pubkey: owner.key }
    expect(await ask(stranger, { cmd: 'read', name })).toEqual(updated)
    expect(await ask(stranger, { cmd: 'delete', name })).toMatchObject({ success: false })
    expect(await ask(owner, { cmd: 'delete', name })).toMatchObject({ success: true })
    expect(await ask(stranger, { cmd: 'read', name })).toMatchObject({ success: false })
    await cluster.waitUntilSettled()
    await cluster.stopAll()
    await checkOneChain(cluster.nodes)
  })

  it('multisig collects a signature of every node, and of the others when one is dead', async () => {
    const cluster = await Cluster.start({ contract: 'multisig', config: { roundtime: 2000 } })
    const keys = cluster.nodes.map(({ publicKey }) => publicKey)
    const user = await cluster.connect(0)
    const first = JSON.parse(await user.ask('pay 10 to alice\n')) as Document
    expect(first.text).toBe('pay 10 to alice')
    // A node that a slow machine makes late is left out; a quorum always signs.
    expect(first.signatures.length).toBeGreaterThanOrEqual(3)
    expectSigned(
      first,
      keys.filter((key) => first.signatures.some(({ node }) => node === key))
    )
    await cluster.node(3).kill()
    await cluster.node(0).waitFor('one dead', ({ quorum }) => quorum.present === 3)
    const second = JSON.parse(await user.ask('pay 5 to bob\n')) as Document
    expectSigned(second, keys.slice(0, 3))
    expect(user.notices).toEqual([])
  })

  it('upgrade replaces itself on every node by an agreed input, and a node that joins gets the new version', async () => {
    const cluster = await Cluster.create({ contract: 'upgrade', observers: 1, config: { roundtime: 1000 } })
    await Promise.all(cluster.nodes.slice(0, 4).map((node) => node.start()))
    await cluster.waitUntilReady()
    const owner = await cluster.connect(0)
    const stranger = await cluster.connect(1)
    expect(await owner.ask('own\n')).toBe('ok\n')
    const program = await readFile(join(cluster.node(0).dir, 'state', 'contract.mjs'), 'utf8')
    const next = Buffer.from(program.replace("VERSION = 'one'", "VERSION = 'two'")).toString('base64')
    expect(await stranger.ask(`install ${next}\n`)).toBe('error: only the owner may install\n')
    const broken = Buffer.from('this is (no program').toString('base64')
    expect(await owner.ask(`install ${broken}\n`)).toBe('error: that is no JavaScript module\n')
    expect(await stranger.ask('version\n')).toBe('one\n')
    expect(await owner.ask(`install ${next}\n`)).toBe('ok: it runs from the next ledger on\n')
    expect(await stranger.ask('version\n')).toBe('two\n')
    // Its own copy of the first version gives way to the agreed one.
    await cluster.node(4).start()
    await cluster.waitUntilReady()
    const late = await cluster.connect(4)
    expect(await late.ask('version\n')).toBe('two\n')
    await cluster.waitUntilSettled()
    await cluster.stopAll()
    const chain = await checkOneChain(cluster.nodes)
    expect(chain.state.get('contract.mjs')).toContain("VERSION = 'two'")
  })
})
