import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { encodeOutputList, outputsRootOf } from '../../../src/codec/index.js'
import type { Network } from '../../../src/network/index.js'
import { fetchOutputs } from '../../../src/node/services.js'

const log = pino({ level: 'silent' })
const OUTPUTS = [{ user: 'ab'.repeat(32), content: Buffer.from('the answer') }]
const OTHERS = [{ user: 'ab'.repeat(32), content: Buffer.from('a lie') }]

/** Peers by name with what each answers; null: nothing. */
function makeNetwork(answers: Record<string, Uint8Array | null>) {
  const asked: string[] = []
  const reported: string[] = []
  const network = {
    request: async (peer: string) => {
      asked.push(peer)
      const answer = answers[peer] ?? null
      if (answer === null) throw new Error('not here')
      return answer
    },
    report: (peer: string, reason: string) => reported.push(`${peer} ${reason}`)
  } as unknown as Network
  return { network, asked, reported }
}

describe('outputs from peers', () => {
  const root = outputsRootOf(OUTPUTS)
  const signal = new AbortController().signal

  it('count only when they are those that were agreed; who sends others is reported', async () => {
    const { network, asked, reported } = makeNetwork({
      gone: null,
      liar: encodeOutputList(OTHERS),
      garbage: Buffer.from('garbage'),
      honest: encodeOutputList(OUTPUTS)
    })
    const found = await fetchOutputs(network, 5, root, ['gone', 'liar', 'garbage', 'honest', 'idle'], { log, signal })
    expect(found).toHaveLength(1)
    expect(Buffer.from(found?.[0]?.content ?? []).toString()).toBe('the answer')
    expect(asked).toEqual(['gone', 'liar', 'garbage', 'honest'])
    expect(reported).toEqual(['liar wrong-answer', 'garbage wrong-answer'])
  })

  it('are none when nobody has them, and nobody is asked any more once that is ended', async () => {
    const { network } = makeNetwork({ liar: encodeOutputList(OTHERS) })
    expect(await fetchOutputs(network, 5, root, ['gone', 'liar'], { log, signal })).toBeNull()
    const ended = makeNetwork({ honest: encodeOutputList(OUTPUTS) })
    const options = { log, signal: AbortSignal.abort() }
    expect(await fetchOutputs(ended.network, 5, root, ['honest'], options)).toBeNull()
    expect(ended.asked).toEqual([])
  })
})
