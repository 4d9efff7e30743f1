import { setTimeout as delay } from 'node:timers/promises'
import type { KeyPair } from '../../src/crypto/index.js'
import type { Pace } from './hostile-user.js'

/** The node that is attacked. */
export interface Target {
  host: string
  pubport: number
  peerport: number
  tcpport: number
  /** Encoded; needed by attacks on the peer port. Strangers get it by asking. */
  genesis?: Uint8Array
  /** Of a member whose node does not run. */
  memberKeys?: KeyPair
}

export interface AttackRun {
  /** What was done so far: requests answered, messages sent, connections opened. */
  count: () => number
  /** So many of those that it holds ask one question after another: how soon they are answered. */
  ask?: (users: number, durationMs: number) => Promise<Pace>
  stop: () => Promise<void>
}

export interface Attack {
  name: string
  /** The port that is attacked. */
  on: 'users' | 'peers'
  start: (target: Target) => Promise<AttackRun>
}

/** Does it again and again until the run is stopped; `attack` says how much it did. */
export function keepOn(attack: () => Promise<number> | number, pauseMs: number): AttackRun {
  let [count, isOver] = [0, false]
  const done = (async () => {
    while (!isOver) {
      count += await attack()
      await delay(pauseMs)
    }
  })()
  return {
    count: () => count,
    stop: async () => {
      isOver = true
      await done
    }
  }
}
