import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { ContractRunner, NplMessage } from '../../../src/contract/index.js'
import { fixture, keyOf, makeExecution, makeRunner, textOf, until } from './helpers.js'

const NODES = [1, 2, 3, 4].map(keyOf)

interface Net {
  runners: ContractRunner[]
  /** What each node sent, in order. */
  sent: NplMessage[][]
}

/** Runners that hear each other, as gossip would do it: later, and not the sender itself. */
function connect(
  programs: { binary: string; args?: string[] }[],
  isLost: (from: number, to: number) => boolean = () => false
): Net {
  const sent: NplMessage[][] = programs.map(() => [])
  const runners = programs.map(({ binary, args = [] }, index) =>
    makeRunner(binary, { args, publicKey: NODES[index] as string, limits: { nplGraceMs: 20_000 } })
  )
  for (const [from, runner] of runners.entries()) {
    runner.setNplPeers(() => NODES.filter((_, to) => to !== from && to < runners.length))
    runner.onNpl = (message) => {
      sent[from]?.push(message)
      setImmediate(() => {
        for (const [to, other] of runners.entries()) {
          if (to !== from && !isLost(from, to)) other.deliverNpl({ ...message, sender: NODES[from] as string })
        }
      })
    }
  }
  return { runners, sent }
}

const talk = (words: string) => ({ binary: fixture('npl.mjs'), args: [words] })
const seenBy = (text: string) =>
  (JSON.parse(text) as [string, number, string | null][]).map(([node, size, word]) => [
    NODES.indexOf(node),
    word ?? size
  ])
const execution = (seq = 1) => makeExecution([['x']], seq, NODES)

describe('the party line', { timeout: 60_000 }, () => {
  it('brings every message to every contract, the sender included, whole and in order', async () => {
    const net = connect([talk('a1,a2,a3'), talk('b1'), talk('size:131072,c2'), talk('')])
    const outcomes = await Promise.all(net.runners.map((runner) => runner.execute(execution())))
    for (const outcome of outcomes) {
      expect(outcome.reason).toBeNull()
      const seen = seenBy(textOf(outcome))
      for (const [node, words] of [['a1', 'a2', 'a3'], ['b1'], [131_072, 'c2'], []].entries()) {
        expect(seen.filter(([from]) => from === node).map(([, word]) => word)).toEqual(words)
      }
    }
    expect(outcomes.map(({ nplMessages, nplBytesSent }) => [nplMessages, nplBytesSent])).toEqual([
      [3, 6],
      [1, 2],
      [2, 131_074],
      [0, 0]
    ])
    for (const messages of net.sent) expect(messages.filter(({ end }) => end)).toHaveLength(1)
  })

  it('keeps what comes before our contract starts, and drops what is for another ledger', async () => {
    const net = connect([talk('early'), talk('own')])
    const [first, second] = net.runners as [ContractRunner, ContractRunner]
    const other = { sender: NODES[2] as string, seq: 1, ordinal: 0, data: Buffer.from('other') }
    second.deliverNpl({ ...other, lcl: keyOf(0x9999) })
    second.deliverNpl({ ...other, seq: 0, lcl: keyOf(0x9998) })
    second.deliverNpl({ ...other, sender: keyOf(0x77), lcl: execution().lcl })
    const running = first.execute(execution())
    await until(() => net.sent[0]?.some(({ end }) => end) === true)
    const outcomes = [await second.execute(execution()), await running]
    for (const outcome of outcomes)
      expect(seenBy(textOf(outcome)).sort()).toEqual([
        [0, 'early'],
        [1, 'own']
      ])
  })

  it('puts messages in order that gossip brought in another, once each', async () => {
    const runner = makeRunner(fixture('npl.mjs'), { publicKey: NODES[0] as string })
    runner.setNplPeers(() => [NODES[1] as string])
    const { seq, lcl } = execution()
    const sender = NODES[1] as string
    runner.deliverNpl({ seq, lcl, sender, ordinal: 3, end: true })
    for (const ordinal of [2, 0, 2, 1, 0]) {
      runner.deliverNpl({ seq, lcl, sender, ordinal, data: Buffer.from(`m${ordinal}`) })
    }
    const outcome = await runner.execute(execution())
    expect(seenBy(textOf(outcome))).toEqual([
      [1, 'm0'],
      [1, 'm1'],
      [1, 'm2']
    ])
  })

  it('ends without a node that is not connected, and after the grace without one that says nothing', async () => {
    const start = (connected: string[]) => {
      const runner = makeRunner(fixture('npl.mjs'), {
        args: ['x'],
        publicKey: NODES[0] as string,
        limits: { nplGraceMs: 300 }
      })
      runner.setNplPeers(() => connected)
      return runner.execute(execution())
    }
    const [alone, silent] = await Promise.all([start([]), start([NODES[3] as string])])
    expect(seenBy(textOf(alone))).toEqual([[0, 'x']])
    expect(seenBy(textOf(silent))).toEqual([[0, 'x']])
    expect(silent.durationMs).toBeGreaterThanOrEqual(300)
  })

  it('passes over a message that was lost', async () => {
    const runner = makeRunner(fixture('npl.mjs'), { publicKey: NODES[0] as string })
    runner.setNplPeers(() => [NODES[1] as string])
    const { seq, lcl } = execution()
    const sender = NODES[1] as string
    runner.deliverNpl({ seq, lcl, sender, ordinal: 1, data: Buffer.from('second') })
    runner.deliverNpl({ seq, lcl, sender, ordinal: 2, end: true })
    expect(seenBy(textOf(await runner.execute(execution())))).toEqual([[1, 'second']])
  })

  it('sends nothing for contracts that never use it, and answers once a node that does', async () => {
    const net = connect([{ binary: '/bin/true' }, { binary: '/bin/true' }])
    for (const seq of [1, 2, 3]) await Promise.all(net.runners.map((runner) => runner.execute(execution(seq))))
    expect(net.sent).toEqual([[], []])
    const [first] = net.runners as [ContractRunner]
    const { seq, lcl } = execution(3)
    for (const ordinal of [0, 1]) {
      first.deliverNpl({ seq, lcl, sender: NODES[1] as string, ordinal, data: Buffer.from('late') })
    }
    expect(net.sent[0]).toEqual([{ seq, lcl, ordinal: 0, end: true }])
  })

  it('does not keep a contract alive that ignores it', async () => {
    const net = connect([talk('hello'), { binary: '/bin/sh', args: ['-c', 'echo ok >&6'] }])
    const outcomes = await Promise.all(net.runners.map((runner) => runner.execute(execution())))
    expect(seenBy(textOf(outcomes[0] as never))).toEqual([[0, 'hello']])
    expect(textOf(outcomes[1] as never)).toBe('ok\n')
  })

  it('works for a shell, and for a contract that opens /dev/fd', async () => {
    const script = 'printf one >&4; printf two >&4; exec 4>&-; cat <&3 >&6'
    const opens = 'printf one >&4; printf two >&4; exec 4>&-; cat /dev/fd/3 >&6'
    for (const text of [script, opens]) {
      const runner = makeRunner('/bin/bash', { args: ['-c', text], publicKey: NODES[0] as string })
      const outcome = await runner.execute(execution())
      const head = `Length: 3\nPubkey: ${NODES[0]}\n\n`
      expect(textOf(outcome)).toBe(`${head}one${head}two`)
    }
  })

  it('does without message sockets, where chunks are messages', async () => {
    const script = 'printf one >&4; sleep 0.05; printf two >&4; exec 4>&-; cat <&3 >&6; echo late >&2'
    const runner = makeRunner('/bin/bash', { args: ['-c', script], libc: null })
    expect(runner.capabilities.nplBoundaries).toBe(false)
    const outcome = await runner.execute(execution())
    expect(outcome).toMatchObject({ status: 'ok', nplBytesSent: 6 })
    expect(textOf(outcome).replaceAll(/Length: \d+\nPubkey: [0-9a-f]{64}\n\n/g, '')).toBe('onetwo')
    const last = makeRunner('/bin/bash', { args: ['-c', 'printf last >&4'], libc: null })
    expect(await last.execute(execution())).toMatchObject({ status: 'ok', nplBytesSent: 4 })
  })

  it('fails a contract that floods it', async () => {
    const run = (limits: object, binary = fixture('flood-npl.sh'), args: string[] = []) =>
      makeRunner(binary, { args, limits }).execute(makeExecution([['x']]))
    const [count, bytes, size] = await Promise.all([
      run({ nplMessages: 100 }),
      run({ nplBytes: 1000 }),
      run({}, fixture('npl.mjs'), ['size:131073'])
    ])
    expect(count).toMatchObject({ status: 'failed', reason: 'party line limit of 100 messages', nplMessages: 100 })
    expect(bytes).toMatchObject({ reason: 'party line limit of 1000 bytes', nplBytesSent: 994 })
    expect(size.reason).toBe('party line message of more than 131072 bytes')
  })

  it('bounds what a hostile node sends', async () => {
    const runner = makeRunner('/bin/sh', {
      args: ['-c', 'exec 4>&-; cat <&3 | wc -c >&6'],
      limits: { nplBytes: 5_000, nplGraceMs: 100 }
    })
    const { seq, lcl } = execution()
    const flood = (lclOf: (index: number) => string) => {
      for (let ordinal = 0; ordinal < 100; ordinal++) {
        runner.deliverNpl({ seq, lcl: lclOf(ordinal), sender: NODES[1] as string, ordinal, data: Buffer.alloc(1_000) })
      }
    }
    flood(keyOf)
    flood(() => lcl)
    for (const ordinal of [-1, 0.5, 2 ** 60, Number.NaN]) {
      runner.deliverNpl({ seq, lcl, sender: NODES[2] as string, ordinal, data: Buffer.from('x') })
      runner.deliverNpl({ seq, lcl, sender: NODES[3] as string, ordinal, end: true })
    }
    const outcome = await runner.execute(execution())
    const head = `Length: 1000\nPubkey: ${NODES[1]}\n\n`.length
    expect(Number(textOf(outcome))).toBe(5 * (1_000 + head))
  })

  it('leaves no timer, process or descriptor behind', async () => {
    const count = () =>
      process.getActiveResourcesInfo().filter((name) => ['PipeWrap', 'ProcessWrap', 'Timeout'].includes(name)).length +
      readdirSync('/proc/self/fd').length
    const before = count()
    const runner = makeRunner(fixture('npl.mjs'), { args: ['x'], publicKey: NODES[0] as string })
    runner.setNplPeers(() => NODES)
    const used = new Promise((resolve) => {
      runner.onNpl = resolve
    })
    const running = runner.execute(execution())
    const refused = expect(running).rejects.toMatchObject({ code: 'stopped' })
    await used
    await runner.stop()
    await refused
    await until(() => count() <= before)
  })
})
