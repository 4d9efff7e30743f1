import { expect, it } from 'vitest'
import { runChaos } from '../chaos/run.js'
import { Summary } from '../chaos/summary.js'

/** The fixed piece of `npm run chaos`: each of these once, on four nodes under load; docs/chaos.md has the whole. */
const SCRIPT = ['kill', 'partition', 'freeze', 'state-damaged', 'contract-kill'] as const
const SEED = 7

it('four nodes stay one chain with right answers through kills, cuts, freezes and a damaged state', async (context) => {
  if (process.platform !== 'linux') return context.skip('who dials whom is read from /proc')
  const outcome = await runChaos({
    seed: SEED,
    seconds: 0,
    script: [...SCRIPT],
    override: {
      validators: 4,
      observers: 0,
      threshold: 67,
      quorum: 3,
      roundtimeMs: 300,
      contract: 'book',
      freezeMaxMs: 2500,
      holdMaxMs: 2500,
      smallDisks: []
    }
  })
  const { error, keptIn, timeline, verdict } = outcome
  const summary = new Summary()
  summary.add(outcome)
  console.log(summary.toString())
  const story = `${timeline.join('\n')}\nkept in ${keptIn}; whole runs: npm run chaos -- --seed ${SEED} --count 1`
  expect(error, `${error?.message}\n${story}`).toBeNull()
  expect([...outcome.faults.keys()].sort()).toEqual([...SCRIPT].sort())
  expect(verdict?.answers, story).toBeGreaterThan(SCRIPT.length)
}, 420_000)
