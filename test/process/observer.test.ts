import { describe, expect, it } from 'vitest'
import { adminRequest } from '../../src/admin/index.js'
import { checkOneChain, inputsOf } from '../helpers/chain.js'
import { Cluster } from '../helpers/cluster.js'
import type { NodeProcess } from '../helpers/node-process.js'

const USERS = 4
const INPUTS_EACH = 50

/** The validator that takes what users of `observer` send. */
function findCarrier(cluster: Cluster, observer: NodeProcess): NodeProcess | undefined {
  const last = observer.log().findLast((entry) => 'validator' in entry && entry.part === 'forwarding')
  return cluster.nodes.find(({ publicKey }) => publicKey === last?.validator)
}

describe('users of an observer', () => {
  it('send inputs, get outputs, and stand in the list of users', async () => {
    const cluster = await Cluster.start({ nodes: 4, observers: 1, contract: 'echo', config: { roundtime: 500 } })
    const near = await cluster.connect(0)
    const [far, idle] = [await cluster.connect(4), await cluster.connect(4)]
    expect(await far.ask('from far\n')).toBe('FROM FAR\n')
    expect(await near.ask('from near\n')).toBe('FROM NEAR\n')
    // The list of an observer's users travels on its own, a little later than inputs.
    await cluster.waitUntil('an idle ledger of all users', async () => {
      const { users, inputs } = await adminRequest(cluster.node(0).dir, '/v1/ledgers/latest')
      return users === 3 && inputs === 0
    })
    await cluster.waitUntilSettled()
    await cluster.stopAll()
    const chain = await checkOneChain(cluster.nodes)
    expect(chain.ledgers.some(({ users }) => users.join() === [near.key, far.key, idle.key].sort().join())).toBe(true)
    // An idle ledger lists the users of the observer all the same.
    const everybody = chain.ledgers.filter(({ inputs, users }) => inputs.length === 0 && users.includes(idle.key))
    expect(everybody.length).toBeGreaterThan(0)
  })

  it('get each input into one ledger, also when the validator that has taken them is killed', async () => {
    const cluster = await Cluster.start({ nodes: 4, observers: 1, contract: 'echo', config: { roundtime: 500 } })
    const observer = cluster.node(4)
    const users = await Promise.all(Array.from({ length: USERS }, () => cluster.connect(4)))
    for (const user of users) await user.ask('first\n')
    const carrier = findCarrier(cluster, observer)
    if (carrier === undefined) throw new Error('no validator has taken anything')
    const texts = users.map((_, user) => Array.from({ length: INPUTS_EACH }, (_, index) => `u${user} i${index}\n`))
    const send = (from: number, to: number): void => {
      for (const [user, of] of texts.entries()) for (const text of of.slice(from, to)) users[user]?.send(text)
    }
    send(0, 20)
    await users[0]?.waitForText('U0 I0\n')
    send(20, 35)
    await carrier.kill()
    send(35, INPUTS_EACH)
    await Promise.all(users.map((user, index) => user.waitForText(`U${index} I${INPUTS_EACH - 1}\n`)))
    await cluster.waitUntil('another validator that takes them', () => findCarrier(cluster, observer) !== carrier)
    await carrier.start()
    await cluster.waitUntilReady()
    await cluster.waitUntilSettled()
    expect(users.flatMap(({ notices }) => notices)).toEqual([])
    await cluster.stopAll()
    const chain = await checkOneChain(cluster.nodes)
    // Each once, those of a user in their order, and the outputs are the same.
    for (const [index, user] of users.entries()) {
      const mine = inputsOf(chain).filter((input) => input.user === user.key)
      const expected = ['first\n', ...(texts[index] as string[])].join('')
      expect(mine.map(({ text }) => text).join('')).toBe(expected)
      expect(user.text).toBe(expected.toUpperCase())
    }
  })
})
