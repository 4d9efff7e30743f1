import { describe, expect, it } from 'vitest'
import { Random } from '../sim/random.js'
import { Coverage } from './engine/coverage.js'
import { execute, executeForMemory } from './engine/execute.js'
import { Fuzzer, type FuzzResult } from './engine/fuzzer.js'
import { minimise } from './engine/minimise.js'
import { mutateJson } from './engine/mutate/json.js'
import { mutateProtobuf } from './engine/mutate/protobuf.js'
import { claim, type Target, target } from './engine/target.js'
import { findSecret } from './planted.js'

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value))

class Refused extends Error {}

function fuzz(planted: Partial<Target>, count = 3000, coverage: Coverage | null = null): Promise<FuzzResult> {
  const made: Target = {
    shape: 'bytes',
    errors: [Refused],
    seeds: [text('seed of the run')],
    run: () => {},
    ...planted
  }
  return Fuzzer.run(
    target('planted', 'a planted fault', () => made),
    { seed: 1, count, coverage }
  )
}

const kinds = ({ findings }: FuzzResult): string[] => findings.map(({ finding }) => finding.kind)

describe('the fuzzer finds', { timeout: 60_000 }, () => {
  it('an error that is not one of ours, and a smaller input that leads to it', async () => {
    const result = await fuzz({
      run: (input) => {
        if (input.includes(0xff)) throw new TypeError('from the depths')
        throw new Refused('too bad')
      }
    })
    expect(kinds(result)).toEqual(['wrong-error'])
    expect([...result.findings[0]!.input]).toEqual([0xff])
  })

  it('a property that does not hold', async () => {
    const run = (input: Uint8Array) => claim(input.length < 30, 'it is too long')
    expect(kinds(await fuzz({ run }))).toEqual(['property'])
  })

  it('an input that is written to', async () => {
    const run = (input: Uint8Array) => void input.fill(0)
    expect(kinds(await fuzz({ run }, 100))).toEqual(['input-changed'])
  })

  it('nothing where there is nothing', async () => {
    const run = () => {
      throw new Refused('as it should')
    }
    const result = await fuzz({ run })
    expect(result.findings).toEqual([])
    expect(result.executions).toBeGreaterThan(3000)
  })

  it('an input that takes too long', async () => {
    const run = () => {
      const before = process.cpuUsage()
      while (process.cpuUsage(before).user < 70_000) Math.sqrt(2)
    }
    const { finding } = await execute({ shape: 'bytes', errors: [], seeds: [], run }, text('slow'))
    expect(finding?.kind).toBe('slow')
  })

  it('an input that makes the parser hold too much', async () => {
    const held: Uint8Array[] = []
    const run = () => void held.push(new Uint8Array(20 * 1024 * 1024))
    const outcome = await executeForMemory({ shape: 'bytes', errors: [], seeds: [], run }, text('big'))
    expect(outcome?.finding?.kind).toBe('memory')
    held.length = 0
  })

  it('what lies behind several comparisons, when it sees which code is reached', async () => {
    const coverage = new Coverage('/test/fuzz/planted')
    try {
      const planted = { seeds: [text('aaaa')], run: findSecret }
      expect(kinds(await fuzz(planted, 150_000, coverage))).toEqual(['wrong-error'])
    } finally {
      coverage.close()
    }
  })
})

describe('the same seed', { timeout: 60_000 }, () => {
  it('leads to the same inputs', async () => {
    const trace = async (): Promise<string[]> => {
      const inputs: string[] = []
      await fuzz({ run: (input) => void inputs.push(Buffer.from(input).toString('hex')) }, 500)
      return inputs
    }
    expect(await trace()).toEqual(await trace())
  })
})

describe('mutations', () => {
  it('of a message mostly are messages still', () => {
    const random = new Random(1)
    // Field 1 is a number, field 2 a text, field 3 a message with a number.
    const message = Uint8Array.of(0x08, 0x05, 0x12, 0x02, 0x68, 0x69, 0x1a, 0x02, 0x08, 0x07)
    const seen = new Set<string>()
    for (let count = 0; count < 2000; count++) {
      const mutated = mutateProtobuf(message, message, random)
      seen.add(Buffer.from(mutated).toString('hex'))
      expect(mutated.length).toBeLessThan(2000)
    }
    expect(seen.size).toBeGreaterThan(400)
    // A field twice, and the number of the inner message changed alone.
    expect(seen).toContain('08050805120268691a020807')
    expect(seen).toContain('0805120268691a020808')
  })

  it('of JSON are JSON for the most part', () => {
    const random = new Random(2)
    const json = '{"a":[1,"x",{"b":null}],"c":"text"}'
    let sound = 0
    for (let count = 0; count < 1000; count++) {
      try {
        JSON.parse(mutateJson(json, json, [], random))
        sound += 1
      } catch {
        // Some are not, on purpose.
      }
    }
    expect(sound).toBeGreaterThan(700)
    expect(sound).toBeLessThan(1000)
  })
})

it('makes an input as small as it can', async () => {
  const small = await minimise(text(`${'x'.repeat(500)}!${'y'.repeat(300)}`), async (input) => input.includes(0x21))
  expect(Buffer.from(small).toString()).toBe('!')
})
