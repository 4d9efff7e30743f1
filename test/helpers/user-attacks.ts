/** Attacks on the user port of one node. */
import type { Socket } from 'node:net'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { createKeyPair } from '../../src/crypto/index.js'
import { type Attack, type AttackRun, keepOn, type Target } from './attack.js'
import { HALF_UPGRADE, halfFrame, openRaw, type Pace, paceOf, RawUser, upgradeRaw } from './hostile-user.js'

/** Below what one address may have, and have anew in a short time. */
const PER_ADDRESS = 1900
const BATCH = 50
/** Of attackers with few connections: what is refused to them must not be refused to the honest. */
const ATTACKER = '127.0.0.66'

/** Between two attempts of one who is refused. */
const REFUSED_MS = 10

const urlOf = ({ host, pubport }: Target): string => `ws://${host}:${pubport}`

/** The loopback address from which connection `index` comes. */
const addressOf = (index: number): string => `127.0.1.${1 + Math.floor(index / PER_ADDRESS)}`

async function hold(count: number, open: (localAddress: string) => Promise<{ end(): void }>): Promise<AttackRun> {
  const held: { end(): void }[] = []
  for (let first = 0; first < count; first += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, count - first) }, (_, index) => open(addressOf(first + index)))
    held.push(...(await Promise.all(batch)))
  }
  return {
    count: () => held.length,
    stop: async () => {
      for (const each of held) each.end()
    }
  }
}

async function join(target: Target, count: number): Promise<RawUser[]> {
  return Promise.all(Array.from({ length: count }, () => RawUser.join(urlOf(target), createKeyPair(), ATTACKER)))
}

function endAll(run: AttackRun, users: RawUser[]): AttackRun {
  return {
    count: run.count,
    stop: async () => {
      await run.stop()
      for (const user of users) user.end()
    }
  }
}

const cut = (socket: Socket): { end(): void } => ({ end: () => void socket.destroy() })
const transportOf = (user: RawUser): Socket => (user.socket as unknown as { _socket: Socket })._socket

/** Sends as fast as the node takes it, and joins anew when it is closed. */
function flood(name: string, keyCount: number, connections: number, bytes: number): Attack {
  return {
    name,
    on: 'users',
    start: async (target) => {
      const keys = Array.from({ length: keyCount }, () => createKeyPair())
      const input = Buffer.alloc(bytes, 'x')
      let [count, isOver] = [0, false]
      const lanes = Array.from({ length: connections }, async (_, index) => {
        while (!isOver) {
          try {
            const user = await RawUser.join(urlOf(target), keys[index % keyCount], ATTACKER)
            while (!isOver && !user.isClosed) {
              if (transportOf(user).writableLength < 1_000_000) {
                for (let each = 0; each < 20; each++) user.send(input)
                count += 20
              }
              await turn()
            }
            user.end()
          } catch {
            await delay(REFUSED_MS)
          }
        }
      })
      return {
        count: () => count,
        stop: async () => {
          isOver = true
          await Promise.all(lanes)
        }
      }
    }
  }
}

/** @param connections how many the attacks with many connections hold */
export function userAttacks(connections: number): Attack[] {
  return [
    {
      name: 'silent connections',
      on: 'users',
      start: ({ host, pubport }) => hold(connections, async (from) => cut(await openRaw(host, pubport, '', from)))
    },
    {
      name: 'half-sent upgrades',
      on: 'users',
      start: ({ host, pubport }) =>
        hold(connections, async (from) => cut(await openRaw(host, pubport, HALF_UPGRADE, from)))
    },
    {
      name: 'unanswered challenges',
      on: 'users',
      start: ({ host, pubport }) =>
        hold(connections, async (from) => cut((await upgradeRaw(host, pubport, '', from)).socket))
    },
    {
      name: 'half-sent messages',
      on: 'users',
      start: async (target) => {
        const users = await join(target, 50)
        // Behind the library's back: its socket is the transport.
        for (const user of users) transportOf(user).write(halfFrame(50_000))
        return endAll({ count: () => users.length, stop: async () => {} }, users)
      }
    },
    {
      name: 'readers that do not read',
      on: 'users',
      start: async (target) => {
        const users = await join(target, 4)
        for (const { socket } of users) socket.pause()
        const input = Buffer.alloc(32_768, 'x')
        const send = (): number => {
          for (const user of users) user.send(input)
          return users.length
        }
        return endAll(keepOn(send, 50), users)
      }
    },
    flood('a flood of one user, small inputs', 1, 4, 200),
    flood('a flood of one user, inputs of 60 KB', 1, 4, 60_000),
    flood('a flood of one user over 60 connections', 1, 60, 200),
    flood('a flood of 50 users', 50, 50, 200),
    {
      name: 'pings',
      on: 'users',
      start: async (target) => {
        let users = await join(target, 4)
        const ping = async (): Promise<number> => {
          if (users.some(({ isClosed }) => isClosed)) users = await join(target, 4)
          for (const { socket } of users)
            for (let count = 0; count < 50; count++) socket.ping('x'.repeat(100), true, () => {})
          return 50 * users.length
        }
        return endAll(keepOn(ping, 5), users)
      }
    },
    {
      name: 'users that come and go',
      on: 'users',
      start: async (target) => {
        const visit = async (): Promise<number> => {
          for (const user of await join(target, 5)) user.end()
          return 5
        }
        return keepOn(visit, 20)
      }
    }
  ]
}

async function askUntil(user: RawUser, endMs: number, times: number[]): Promise<void> {
  let lastMs = performance.now()
  while (lastMs < endMs && !user.isClosed) {
    const answer = new Promise((resolve) => {
      user.socket.once('message', resolve)
      user.socket.once('close', resolve)
    })
    user.send('crowd\n')
    await answer
    const nowMs = performance.now()
    times.push(nowMs - lastMs)
    lastMs = nowMs
  }
}

/** As many users as a node takes, who say nothing unless they are told to. Those that are refused are left out. */
export function crowd(users: number): Attack {
  return {
    name: `${users} connected users`,
    on: 'users',
    start: async (target) => {
      const held: RawUser[] = []
      let isOver = false
      const connect = async (index: number): Promise<void> => {
        await RawUser.join(urlOf(target), createKeyPair(), addressOf(index)).then(
          (user) => held.push(user),
          () => {}
        )
      }
      const connecting = (async () => {
        for (let first = 0; first < users && !isOver; first += BATCH) {
          await Promise.all(
            Array.from({ length: Math.min(BATCH, users - first) }, (_, index) => connect(first + index))
          )
        }
      })()
      return {
        count: () => held.filter((user) => !user.isClosed).length,
        ask: async (count, durationMs): Promise<Pace> => {
          const [times, startMs]: [number[], number] = [[], performance.now()]
          await Promise.all(held.slice(0, count).map((user) => askUntil(user, startMs + durationMs, times)))
          return paceOf(times, performance.now() - startMs)
        },
        stop: async () => {
          isOver = true
          await connecting
          for (const user of held) user.end()
        }
      }
    }
  }
}
