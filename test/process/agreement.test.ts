import { describe, expect, it } from 'vitest'
import { checkOneChain, expectOutputsKept, inputsOf, readChain } from '../helpers/chain.js'
import { Cluster } from '../helpers/cluster.js'

describe('a network of four', () => {
  it('agrees for 100 ledgers on the inputs of users at all nodes', async () => {
    const cluster = await Cluster.start({ contract: 'counter', config: { roundtime: 500 } })
    const users = await Promise.all([0, 1, 2, 3].map((index) => cluster.connect(index)))
    let sent = 0
    // Users take turns in no order: each sends its next input as soon as the last one is answered.
    const talk = async (user: (typeof users)[number]): Promise<void> => {
      while ((await cluster.node(0).waitFor('an answer', () => true)).seq < 100) {
        sent += 1
        expect(await user.ask('add 1\n')).toMatch(/^\d+\n$/)
      }
    }
    await Promise.all(users.map(talk))
    await cluster.waitForSeq(100)
    const totals = await Promise.all(users.map((user) => user.ask('get\n')))
    expect(totals).toEqual(Array(4).fill(`${sent}\n`))
    await cluster.waitUntilSettled()
    for (const status of await cluster.statuses()) expect(status.warnings.join()).not.toContain('signed two')
    expect(await cluster.stopAll()).toEqual(Array(4).fill('exit code 0'))
    const chain = await checkOneChain(cluster.nodes)
    expect(inputsOf(chain).filter(({ text }) => text === 'add 1\n')).toHaveLength(sent)
    expect(chain.state.get('counter')).toBe(`${sent}\n`)
    for (const node of cluster.nodes) expectOutputsKept(await readChain(node), 100)
    for (const node of cluster.nodes) expect(node.warnings()).toEqual([])
  })

  it('gives every user their own outputs, on each of their connections', async () => {
    const cluster = await Cluster.start({ contract: 'echo', config: { roundtime: 500 } })
    const users = await Promise.all([0, 1, 2, 3].map((index) => cluster.connect(index)))
    const [first, second] = users as [(typeof users)[0], (typeof users)[0]]
    const elsewhere = await cluster.connect(3, { as: first })
    const twice = await cluster.connect(0, { as: first })
    for (const [index, user] of users.entries()) user.send(`from user ${index}\n`)
    await Promise.all(users.map((user, index) => user.waitForText(`FROM USER ${index}\n`)))
    await Promise.all([elsewhere, twice].map((user) => user.waitForText('FROM USER 0\n')))
    elsewhere.send('sent elsewhere\n')
    await Promise.all([first, elsewhere, twice].map((user) => user.waitForText('SENT ELSEWHERE\n')))
    await second.ask('x')
    expect(second.text).toBe('FROM USER 1\nX')
    expect(first.text).toBe('FROM USER 0\nSENT ELSEWHERE\n')
  })
})
