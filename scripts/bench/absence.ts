/**
 * `npm run bench absence [-- --ledgers 1000]`: one of four nodes is killed, the others close ledgers with inputs of a
 * user, each of which changes the state, it is started again. Measured: until it stands on the last ledger, and until a ledger takes its proposal.
 */

import { parseOptions } from '../options.js'
import { receive } from './measures.js'
import { connectUsers, startNetwork } from './network.js'

const NODES = 4
const POLL_MS = 10
const TIMEOUT_MS = 120_000

const USAGE = 'usage: npm run bench absence [-- --ledgers 1000]'
const { values } = parseOptions(USAGE, {
  args: process.argv.slice(3),
  options: { ledgers: { type: 'string', default: '1000' } }
})
const missed = Number(values.ledgers)
if (!Number.isInteger(missed) || missed < 1) {
  console.error(USAGE)
  process.exit(2)
}

async function waitUntil(what: string, condition: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + TIMEOUT_MS
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`waited ${TIMEOUT_MS / 1000} s for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

const network = await startNetwork(NODES, { roundtime: 1000, minroundtime: 0 }, 'writer')
try {
  const [user] = await connectUsers(network, 1)
  if (user === undefined) throw new Error('no user could connect')
  const absent = NODES - 1
  const ask = async (): Promise<void> => {
    const answer = receive(user, 6)
    user.send('hello\n')
    await answer
  }
  await ask()
  await network.kill(absent)
  const { seq: leftAt } = await network.status(0)
  while ((await network.status(0)).seq < leftAt + missed) await ask()
  const { seq: target } = await network.status(0)
  const startMs = performance.now()
  const since = (): string => ((performance.now() - startMs) / 1000).toFixed(1)
  await network.start(absent)
  await waitUntil('its ledgers', async () => (await network.status(absent).catch(() => ({ seq: 0 }))).seq >= target)
  const ledgersS = since()
  await waitUntil('its proposal', async () => {
    await ask()
    return (await network.proposals(0)) === NODES
  })
  console.log(`away for ${target - leftAt} ledgers: all of them after ${ledgersS} s, in consensus after ${since()} s`)
  await user.close()
} finally {
  await network.stop()
}
