import type { User } from '../../test/helpers/user.js'
import type { LabNetwork } from './network.js'

export interface Talk {
  /** The newest ledger when it began. */
  fromSeq: number
  /** From each input to its output, ms. */
  answersMs: number[]
}

/**
 * Lets a user at each of these nodes send one input of the contract `counter` after another until `ledgers` more are
 * closed. Every input is answered when it resolves; rejects when an answer is none.
 */
export async function talkAtAll(network: LabNetwork, names: string[], ledgers: number): Promise<Talk> {
  const fromSeq = await network.newestSeq()
  const users = await Promise.all(names.map((name) => network.connect(name)))
  const answersMs: number[] = []
  const talkAt = async (user: User): Promise<void> => {
    do {
      const startMs = performance.now()
      const answer = await user.ask('add 1\n')
      if (!/^\d+\n$/.test(answer)) throw new Error(`the counter answered ${JSON.stringify(answer)}`)
      answersMs.push(performance.now() - startMs)
    } while ((await network.newestSeq()) < fromSeq + ledgers)
  }
  await Promise.all(users.map(talkAt))
  await Promise.all(users.map((user) => user.close()))
  return { fromSeq, answersMs }
}
