import { createPublicKey, verify } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import type { ContractRunner } from '../../../src/contract/index.js'
import { build, example, keyOf, makeDir, makeExecution, makeRunner, setSandbox, textOf } from './helpers.js'

/** A contract directory with the example's bin/, as the devnet makes it. */
function makeContractDir(name: string): string {
  const dir = makeDir()
  cpSync(example(`${name}/bin`), join(dir, 'bin'), { recursive: true })
  mkdirSync(join(dir, 'state'))
  return dir
}

function sendTo(runner: ContractRunner): (...inputs: string[][]) => Promise<string[]> {
  let seq = 0
  return async (...inputs) => {
    const outcome = await runner.execute(makeExecution(inputs, ++seq))
    expect(outcome.reason).toBeNull()
    return inputs.map((_, user) => textOf(outcome, user))
  }
}

describe.each(['off', 'auto'] as const)('examples with the sandbox %s', { timeout: 60_000 }, (mode) => {
  beforeEach(() => setSandbox(mode))

  it('have a manifest whose files exist', () => {
    const names = readdirSync(example(''))
    expect(names).toEqual(expect.arrayContaining(['counter', 'directory', 'echo', 'echo-node', 'multisig']))
    for (const name of names) {
      const manifest = JSON.parse(readFileSync(example(`${name}/contract.json`), 'utf8'))
      expect(manifest).toMatchObject({
        name,
        binary: expect.stringMatching(/^(bin|state)\//),
        binargs: expect.any(String)
      })
      expect(manifest.description.length).toBeGreaterThan(10)
      expect(manifest.sample.length).toBeGreaterThan(0)
      if (manifest.build === undefined) expect(statSync(example(`${name}/${manifest.binary}`)).mode & 0o111).toBe(0o111)
      if (manifest.fallback !== undefined) expect(names).toContain(manifest.fallback)
    }
  })

  it('echo and echo-node answer the same', async () => {
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('latin1')
    const inputs = [['hello'], [], ['Zürich äöü'], [every, 'x'.repeat(100_000)]]
    const compiled = build('cc', ['-O2', '-Wall', '-Werror', '-o', '%o', example('echo/echo.c')])
    const answers = await sendTo(makeRunner(compiled))(...inputs)
    expect(answers[0]).toBe('HELLO')
    expect(answers[2]).toBe('ZüRICH äöü')
    expect(await sendTo(makeRunner(example('echo-node/bin/echo.mjs')))(...inputs)).toEqual(answers)
    expect(await sendTo(makeRunner(compiled))()).toEqual([])
  })

  it('counter counts, over ledgers, and refuses what it does not know', async () => {
    const dir = makeContractDir('counter')
    const send = sendTo(makeRunner('bin/counter.sh', { dir }))
    expect(await send(['get'], [])).toEqual(['0\n', ''])
    expect(existsSync(join(dir, 'state/counter'))).toBe(false)
    expect(await send(['add 5\nadd -2\n'], ['add 008'], ['add 1', 'add 1', 'get'])).toEqual([
      '5\n3\n',
      '11\n',
      '12\n13\n13\n'
    ])
    expect(readFileSync(join(dir, 'state/counter'), 'utf8')).toBe('13\n')
    const error = 'error: say "add N" (N up to 9 digits) or "get"\n'
    const hostile = ['add 1234567890', 'add', 'add x[$(touch hacked)]', 'get; rm -rf .', '\0\0', 'add 1+1', '%s%n', '*']
    expect((await send(...hostile.map((text) => [text])))[0]).toBe(error)
    expect(existsSync(join(dir, 'hacked'))).toBe(false)
    expect(await send([`\n\n${'z'.repeat(100_000)}\nget\n`])).toEqual([`${error}14\n`])
  })

  it('directory keeps names for their owners', async () => {
    const dir = makeContractDir('directory')
    const send = sendTo(makeRunner('bin/directory.mjs', { dir }))
    const ask = async (user: number, ...requests: unknown[]) => {
      const inputs: string[][] = [[], []]
      inputs[user] = requests.map((request) => (typeof request === 'string' ? request : JSON.stringify(request)))
      const answer = (await send(...inputs))[user] ?? ''
      return answer
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line))
    }
    const name = 'hp.fin.acmebank'
    const entry = { unl: [keyOf(7)], peer: ['10.0.0.1:22860'] }
    expect(await ask(0, { cmd: 'create', name, ...entry })).toEqual([{ success: true, info: 'name was created' }])
    expect(await ask(1, { cmd: 'create', name, ...entry }, { cmd: 'read', name })).toEqual([
      { success: false, info: 'the name is taken' },
      { success: true, name, ...entry, pubkey: keyOf(0x100) }
    ])
    expect(await ask(1, { cmd: 'update', name, peer: [] }, { cmd: 'delete', name })).toEqual([
      { success: false, info: 'you do not own this name' },
      { success: false, info: 'you do not own this name' }
    ])
    expect(readdirSync(join(dir, 'state'))).toEqual([Buffer.from(name).toString('hex')])
    expect(await ask(0, { cmd: 'update', name, pubkey: keyOf(0x101) })).toMatchObject([{ success: true }])
    expect(await ask(1, { cmd: 'delete', name }, { cmd: 'read', name })).toMatchObject([
      { success: true },
      { success: false, info: 'the name does not exist' }
    ])
    const hostile = [
      'no json',
      '{"cmd":"create"',
      '{"cmd":"constructor","name":"hp.a.b"}',
      { cmd: 'create', name: '../../etc/passwd', ...entry },
      { cmd: 'create', name: 'hp.a.b', unl: 'x', peer: [] },
      { cmd: 'create', name: 'hp.a.b', unl: [], peer: [{ toString: 1 }] },
      { cmd: 'create', name: 'hp.a.b', unl: Array(129).fill(keyOf(1)), peer: [] },
      '{"cmd":"create","name":"hp.a.b","unl":[],"peer":[],"__proto__":{"pubkey":"x"},"pubkey":5}',
      `{"cmd":"read","name":"${'x'.repeat(70_000)}"}`,
      `${'['.repeat(10_000)}`,
      '{"cmd":"read","name":"hp.a.b"}}}}]'
    ]
    for (const request of hostile) {
      const answers = await ask(0, request)
      expect(answers.length).toBeGreaterThan(0)
      for (const answer of answers) expect(answer).toMatchObject({ success: false, info: expect.any(String) })
    }
    expect(readdirSync(join(dir, 'state'))).toEqual([])
  })

  it('multisig gives every node the same document with all signatures', async () => {
    const nodes = [1, 2, 3, 4].map(keyOf)
    const run = async (alive: number, seq: number, dirs: string[]) => {
      const runners = dirs
        .slice(0, alive)
        .map((dir, index) => makeRunner('bin/multisig.mjs', { dir, publicKey: nodes[index] as string }))
      for (const [from, runner] of runners.entries()) {
        runner.onNpl = (message) => {
          for (const other of runners)
            setImmediate(() => other.deliverNpl({ ...message, sender: nodes[from] as string }))
        }
      }
      const execution = makeExecution([['pay 10\nwe agree\n'], [], ['x'.repeat(5_000)]], seq, nodes)
      const outcomes = await Promise.all(runners.map((runner) => runner.execute(execution)))
      for (const outcome of outcomes) {
        expect(outcome.reason).toBeNull()
        expect(outcome.outputs).toEqual(outcomes[0]?.outputs)
      }
      // One runner for a directory at a time: what it has made ahead would be ended by the next one, or end that.
      await Promise.all(runners.map((runner) => runner.stop()))
      expect(textOf(outcomes[0] as never, 2)).toBe('{"error":"a line is longer than 4096 bytes"}\n')
      return textOf(outcomes[0] as never)
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    }
    const dirs = nodes.map(() => makeContractDir('multisig'))
    const documents = await run(4, 1, dirs)
    expect(documents.map(({ text }) => text)).toEqual(['pay 10', 'we agree'])
    for (const { text, signatures } of documents) {
      expect(signatures.map(({ node }: { node: string }) => node)).toEqual(nodes)
      expect(new Set(signatures.map(({ key }: { key: string }) => key)).size).toBe(4)
      for (const { key, signature } of signatures) {
        const publicKey = createPublicKey({
          key: Buffer.from(`302a300506032b6570032100${key}`, 'hex'),
          format: 'der',
          type: 'spki'
        })
        expect(verify(null, Buffer.from(text), publicKey, Buffer.from(signature, 'hex'))).toBe(true)
      }
    }
    expect(statSync(join(dirs[0] as string, 'multisig/key.pem')).mode & 0o777).toBe(0o600)
    expect(readdirSync(join(dirs[0] as string, 'state'))).toEqual([])
    // The keys stay; one node down: three of four still sign; with two down nobody does.
    const three = await run(3, 2, dirs)
    expect(three[0].signatures).toEqual(documents[0].signatures.slice(0, 3))
    const two = await run(2, 3, dirs)
    expect(two[0]).toEqual({ text: 'pay 10', error: 'too few nodes signed in time: send it again' })
  })
})
