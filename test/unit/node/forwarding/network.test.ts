import { afterEach, describe, expect, it, vi } from 'vitest'
import type { ConfigWish } from '../../../../src/consensus/types.js'
import type { TestUser } from './helpers.js'
import { SmallNetwork, type SmallNode } from './small-network.js'

let network: SmallNetwork

afterEach(async () => {
  await network.stop()
  expect(network.failures).toEqual([])
})

async function until(what: string, condition: () => boolean): Promise<void> {
  await vi.waitFor(() => expect(condition(), what).toBe(true), { timeout: 30_000, interval: 5 })
}

function wish(...wishes: ConfigWish[]): void {
  for (const node of network.nodes) node.wishes = wishes
}

/** Users of one node who send numbered texts, and what the ledgers must hold in the end. */
class Traffic {
  readonly users: TestUser[]
  sent = 0

  constructor(
    readonly node: SmallNode,
    count: number
  ) {
    this.users = Array.from({ length: count }, () => node.connect())
  }

  send(rounds: number): void {
    for (let round = 0; round < rounds; round++) {
      for (const [index, user] of this.users.entries()) this.node.send(user, this.#text(index, this.sent))
      this.sent += 1
    }
  }

  isIn(node: SmallNode): boolean {
    return this.#inputsOf(node).length >= this.sent * this.users.length
  }

  /** Each once, those of each user in their order. */
  check(node: SmallNode): void {
    const all = this.#inputsOf(node)
    for (const [index, { key }] of this.users.entries()) {
      const texts = all.filter(({ user }) => user === key).map(({ content }) => Buffer.from(content).toString())
      expect(texts).toEqual(Array.from({ length: this.sent }, (_, ordinal) => this.#text(index, ordinal)))
    }
    const ids = node.ledgers.flatMap(({ inputs }) => inputs.map(({ id }) => id))
    expect(new Set(ids).size).toBe(ids.length)
  }

  #inputsOf(node: SmallNode): SmallNode['ledgers'][number]['inputs'] {
    const keys = new Set(this.users.map(({ key }) => key))
    return node.ledgers.flatMap(({ inputs }) => inputs.filter(({ user }) => keys.has(user)))
  }

  #text(user: number, ordinal: number): string {
    return `u${user} i${ordinal}`
  }
}

function first(): SmallNode {
  return network.nodes.find(({ isUp }) => isUp) as SmallNode
}

function nodeAt(index: number): SmallNode {
  return network.nodes[index] as SmallNode
}

describe('four validators and observers', { timeout: 60_000 }, () => {
  it('take what users of all of them send, each once and in order, and list idle users', async () => {
    network = new SmallNetwork(4, 2)
    await network.start()
    const traffic = [0, 4, 5].map((index) => new Traffic(nodeAt(index), 3))
    const idle = nodeAt(5).connect()
    for (let step = 0; step < 20; step++) {
      for (const of of traffic) of.send(1)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    for (const of of traffic) await until('all inputs in ledgers', () => of.isIn(first()))
    for (const of of traffic) of.check(first())
    await until('the idle user in a ledger without inputs', () =>
      first().ledgers.some(({ users, inputs }) => inputs.length === 0 && users.includes(idle.key))
    )
    for (const { pending } of network.nodes) expect(pending.size).toBe(0)
  })

  it('lose nothing and repeat nothing when validators die and another one replays all that it has seen', async () => {
    network = new SmallNetwork(4, 1)
    for (const index of [1, 2]) nodeAt(index).isReplayer = true
    await network.start()
    const traffic = new Traffic(nodeAt(4), 5)
    traffic.send(5)
    await until('the first input in a ledger', () => nodeAt(4).texts.length > 0)
    traffic.send(5)
    const carrier = network.node(network.asked.at(-1) as string)
    await network.kill(carrier as SmallNode)
    traffic.send(20)
    await until('all inputs in ledgers', () => traffic.isIn(nodeAt(4)))
    const { seq } = (nodeAt(4).ledgers.at(-1) as SmallNode['ledgers'][number]).header
    await until('the windows of all batches over', () => nodeAt(4).driver.tip.seq > seq + 64)
    traffic.check(nodeAt(4))
    expect(network.asked.at(-1)).not.toBe(carrier?.key)
    for (const node of network.nodes) if (node !== carrier) traffic.check(node)
  })

  it('keep at most once while an observer becomes a validator and a validator an observer, back and forth', async () => {
    network = new SmallNetwork(4, 1)
    nodeAt(2).isReplayer = true
    await network.start()
    const [joins, leaves] = [nodeAt(4), nodeAt(0)]
    const traffic = [new Traffic(joins, 4), new Traffic(leaves, 4)]
    const isIn = (node: SmallNode): boolean => nodeAt(1).agreed.unl.includes(node.key)
    for (let turn = 0; turn < 6; turn++) {
      const isOut = turn % 2 === 0
      wish(
        { kind: isOut ? 'add-validator' : 'remove-validator', key: joins.key },
        { kind: isOut ? 'remove-validator' : 'add-validator', key: leaves.key }
      )
      while (isIn(joins) !== isOut || isIn(leaves) === isOut) {
        for (const of of traffic) of.send(1)
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      for (const of of traffic) of.send(3)
      await until('all inputs in ledgers', () => traffic.every((of) => of.isIn(nodeAt(1))))
    }
    const { seq } = (nodeAt(1).ledgers.at(-1) as SmallNode['ledgers'][number]).header
    await until('the windows of all batches over', () => nodeAt(1).driver.tip.seq > seq + 64)
    for (const of of traffic) for (const node of network.nodes) of.check(node)
  })
})
