import type { UserNotice } from '../../../src/users/index.js'
import { COMMANDS } from './contract.js'
import type { SimUser } from './sim-users.js'
import type { Stage } from './stage.js'
import type { WholeNode } from './whole-node.js'

/** The users, who connect, send inputs and wait for their answers. */
export class Crowd {
  readonly #stage: Stage
  readonly #users: readonly SimUser[]
  /** What users have sent after the faults and want to see answered. */
  readonly #probes = new Map<SimUser, string>()
  isProbing = false

  constructor(stage: Stage, users: readonly SimUser[]) {
    this.#stage = stage
    this.#users = users
  }

  begin(): void {
    const { random, nodes } = this.#stage
    this.#stage.every(this.#stage.profile.inputEveryMs, () => this.#sendInput())
    this.#stage.every(1000, () => {
      const user = random.pick(this.#users)
      const server = (nodes[user.home] as WholeNode).users
      if (this.isProbing || server?.isConnected(user) !== true || !random.chance(0.3)) return
      server.disconnect(user)
      this.#connect(user)
    })
  }

  /** Users whose last input is not answered. */
  get unanswered(): number {
    return this.#probes.size
  }

  onOutput(node: WholeNode, key: string, content: Uint8Array): void {
    const text = Buffer.from(content).toString()
    this.#stage.note(`${node.name} answers: ${text}`)
    this.#stage.marks.add('output delivered')
    this.#stage.checks.outputDelivered(node, key, content)
    for (const [user, probe] of this.#probes) if (text.includes(probe)) this.#probes.delete(user)
  }

  onNotice(node: WholeNode, key: string, notice: UserNotice): void {
    this.#stage.note(`${node.name} gives a notice: ${JSON.stringify(notice)}`)
    this.#stage.checks.noticeGiven(node, notice)
    // Another input in that ledger has made the execution fail.
    for (const user of this.#probes.keys()) if (user.signer.publicKey === key) this.#sendProbe(user)
  }

  connectAll(node: WholeNode): void {
    for (const user of this.#users) if (user.home === node.index) this.#connect(user)
  }

  #connect(user: SimUser): void {
    const node = this.#stage.nodes[user.home] as WholeNode
    const server = node.users
    this.#stage.clock.schedule(this.#stage.random.between(1, 200), () => {
      if (server === null || node.users !== server || server.isConnected(user)) return
      server.connect(user)
    })
  }

  #sendInput(): void {
    if (this.isProbing) return
    const random = this.#stage.random
    const user = random.pick(this.#users)
    const { failShare, bigShare } = this.#stage.profile
    const command = random.chance(failShare)
      ? 'fail'
      : random.chance(bigShare)
        ? 'big'
        : random.pick(COMMANDS.slice(0, 5))
    const content = Buffer.from(`${command} ${user.name} ${user.sent++} `)
    if ((this.#stage.nodes[user.home] as WholeNode).users?.send(user, content) !== true)
      this.#stage.marks.add('input refused or lost')
  }

  probe(): void {
    this.isProbing = true
    this.#stage.note('all nodes go on: each user sends one more input')
    for (const user of this.#users) {
      const node = this.#stage.nodes[user.home] as WholeNode
      if (this.#stage.healed?.includes(node) !== true) continue
      node.users?.connect(user)
      this.#sendProbe(user)
    }
  }

  #sendProbe(user: SimUser): void {
    const content = `add ${user.name} probe ${user.sent++};`
    this.#probes.set(user, content)
    if ((this.#stage.nodes[user.home] as WholeNode).users?.send(user, Buffer.from(content)) === true) return
    this.#stage.clock.schedule(1000, () => this.#sendProbe(user))
  }
}
