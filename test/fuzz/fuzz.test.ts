import { expect, it } from 'vitest'
import { Fuzzer } from './engine/fuzzer.js'
import { TARGETS } from './targets/index.js'

/** Enough to notice a fault that is easily met; `npm run fuzz` looks further. */
const EXECUTIONS = 2000
const SEED = 20_260_101

for (const entry of TARGETS) {
  it(`${entry.name}: ${entry.about}`, { timeout: 60_000 }, async () => {
    const count = Math.max(10, Math.round(EXECUTIONS * entry.share))
    const { executions, findings } = await Fuzzer.run(entry, { seed: SEED, count, coverage: null })
    const found = findings.map(
      ({ input, finding }) => `${finding.kind}: ${finding.message} for ${Buffer.from(input).toString('hex')}`
    )
    expect(found).toEqual([])
    expect(executions).toBeGreaterThanOrEqual(count)
  })
}

it('has a name of its own for each target', () => {
  expect(new Set(TARGETS.map(({ name }) => name)).size).toBe(TARGETS.length)
})
