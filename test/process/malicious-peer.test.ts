import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import * as sync from '../../src/codec/pb/sync.js'
import type { ProposalUser } from '../../src/consensus/types.js'
import { createKeyPair } from '../../src/crypto/index.js'
import { checkOneChain } from '../helpers/chain.js'
import { Cluster, onCleanup } from '../helpers/cluster.js'
import { MaliciousPeer, randomHash, readGenesis, readKeys } from '../helpers/malicious-peer.js'
import type { NodeProcess } from '../helpers/node-process.js'
import type { User } from '../helpers/user.js'

const MIB = 1024 * 1024
/** What one node may need beyond its memory at rest while it is attacked by one peer. */
const MEMORY_BYTES = 500 * MIB
/** Each attack goes on until the honest nodes have closed this many ledgers under it. */
const LEDGERS = 3
/** Between two rounds of an attack: it stays below what the network takes for a flood, and so goes on. */
const BREATH_MS = 50

function memoryOf(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) * 1024
}

/** Notes the most memory that any of the nodes has had. */
function watchMemory(nodes: NodeProcess[]): () => number {
  const most = new Map(nodes.map(({ pid }) => [pid, { rest: memoryOf(pid), most: 0 }]))
  const timer = setInterval(() => {
    for (const [pid, seen] of most) seen.most = Math.max(seen.most, memoryOf(pid))
  }, 50)
  onCleanup(async () => clearInterval(timer))
  return () => {
    clearInterval(timer)
    return Math.max(...[...most.values()].map(({ rest, most }) => most - rest))
  }
}

interface Scene {
  cluster: Cluster
  honest: NodeProcess[]
  user: User
  memoryGrowth: () => number
  /** Attacks until some ledgers have closed and the user has had an answer. */
  during: (what: string, attack: () => Promise<void>) => Promise<void>
}

/** Three honest validators, as few as can close ledgers, and the key and genesis of a fourth one. */
async function setTheScene(): Promise<Scene & { peer: (seq?: number) => Promise<MaliciousPeer> }> {
  const cluster = await Cluster.start({ contract: 'echo', config: { roundtime: 300 } })
  const fourth = cluster.node(3)
  await fourth.stop()
  const genesis = await readGenesis(fourth)
  const keys = await readKeys(fourth)
  const honest = cluster.nodes.slice(0, 3)
  const user = await cluster.connect(0)
  await user.ask('before\n')
  let asked = 0
  const during = async (what: string, attack: () => Promise<void>): Promise<void> => {
    const { seq } = await cluster.node(0).waitFor('an answer', () => true)
    let isOver = false
    const attacking = (async () => {
      do {
        await attack()
        await delay(BREATH_MS)
      } while (!isOver)
    })()
    try {
      await cluster.waitForSeq(seq + LEDGERS)
      asked += 1
      expect(await user.ask(`${what} ${asked}\n`)).toBe(`${what} ${asked}\n`.toUpperCase())
    } finally {
      isOver = true
      await attacking
    }
  }
  const peer = async (seq?: number): Promise<MaliciousPeer> => {
    const joined = await MaliciousPeer.join(honest, { genesis, keys, ...(seq === undefined ? {} : { seq }) })
    await cluster.waitUntil('the attacker to be heard', () => joined.listeners.length === honest.length)
    return joined
  }
  return { cluster, honest, user, memoryGrowth: watchMemory(honest), during, peer }
}

function makeUpUsers(count: number): ProposalUser[] {
  return Array.from({ length: count }, () => ({
    key: createKeyPair().publicKey,
    proof: { expiryMs: 1, nonce: randomBytes(16), signature: randomBytes(64) }
  })).sort((a, b) => (a.key < b.key ? -1 : 1))
}

/** Errors that are none of the honest nodes' own. */
function faultsOf(node: NodeProcess): unknown[] {
  return node.log().filter(({ level, msg }) => level >= 50 && !msg.includes('signed two proposals'))
}

describe('a validator that breaks every rule of consensus', () => {
  it('stops neither ledgers nor answers, and its honest successor takes its place', async () => {
    const { cluster, honest, memoryGrowth, during, peer } = await setTheScene()
    // Claims ledgers that do not exist and never answers who asks for them.
    const attacker = await peer(2 ** 50)
    const never = () => new Promise<Uint8Array>(() => {})
    for (const name of ['proposals', 'ledgers', 'outputs', 'state']) await attacker.network.handle(name, 1, {}, never)

    await during('many proposals', async () => {
      for (let count = 0; count < 100; count++) await attacker.say(attacker.proposal({ timeMs: count }))
    })
    await during('users without proof', async () => {
      await attacker.say(attacker.proposal({ users: makeUpUsers(500) }))
    })
    await during('parts that nobody has', async () => {
      for (let count = 0; count < 20; count++) await attacker.say(attacker.proposal({ parts: 'none' }))
    })
    await during('votes for everything', async () => {
      for (const kind of ['prevote', 'precommit'] as const) {
        for (let attempt = 0; attempt < 20; attempt++) {
          await attacker.say(attacker.vote(kind, randomHash(), { attempt, hint: [randomHash(), randomHash()] }))
          await attacker.say(attacker.vote(kind, null, { attempt }))
        }
        await attacker.say(attacker.vote(kind, randomHash(), { attempt: 2 ** 32 - 1 }))
        await attacker.say(attacker.vote(kind, randomHash(), { seq: 2 ** 52 }))
        await attacker.say(attacker.proposal({ seq: 2 ** 52 }))
      }
    })
    await during('a flood on the party line', async () => {
      const data = randomBytes(64 * 1024)
      for (let ordinal = 0; ordinal < 10; ordinal++) await attacker.sayNpl(ordinal, data)
    })
    for (const status of await cluster.statuses()) {
      expect(status.quorum.present, 'it is not banned for what a slow line could explain').toBe(4)
    }

    await attacker.leave()
    expect(memoryGrowth()).toBeLessThan(MEMORY_BYTES)
    await cluster.node(3).start()
    await cluster.waitUntilReady()
    const late = await cluster.connect(3)
    expect(await late.ask('after\n')).toBe('AFTER\n')
    await cluster.waitUntilSettled()
    expect(honest.flatMap(faultsOf)).toEqual([])
    await cluster.stopAll()
    await checkOneChain(cluster.nodes)
  })
})

describe('a peer that lies, floods and does not read', () => {
  it('is cut, be it a validator or an observer, and nobody else is', async () => {
    const { cluster, honest, memoryGrowth, during, peer } = await setTheScene()
    const genesis = await readGenesis(cluster.node(3))
    const join = async (seq?: number): Promise<MaliciousPeer> => {
      const observer = await MaliciousPeer.join(honest, {
        genesis,
        role: 'observer',
        ...(seq === undefined ? {} : { seq })
      })
      await cluster.waitUntil('an observer to be heard', () => observer.listeners.length === honest.length)
      return observer
    }
    const bans = (): number =>
      honest.reduce((sum, node) => sum + node.log().filter(({ msg }) => /ban/i.test(msg)).length, 0)
    // Whether one message still fits the ledger being decided is chance: it goes on until all have cut it.
    const untilGone = (gone: MaliciousPeer, attack: () => Promise<void>) => async (): Promise<boolean> => {
      await attack()
      const rows = (await Promise.all(honest.map((node) => node.peers()))).flat()
      return rows.every(({ publicKey, connected }) => publicKey !== gone.publicKey || !connected)
    }

    // Answers each question with something else.
    const liar = await join(2 ** 50)
    const lie = async () => randomBytes(1000)
    for (const name of ['proposals', 'ledgers', 'outputs', 'state']) await liar.network.handle(name, 1, {}, lie)

    // Asks for all ledgers again and again and reads no answer.
    const greedy = await join()
    await during('questions whose answers are not read', async () => {
      const request = sync.LedgersRequest.encode({ from: 0, count: 256 })
      const asked = honest.flatMap(({ publicKey }) =>
        Array.from({ length: 40 }, () =>
          greedy.network.requestStream(publicKey, 'ledgers', request, { timeouts: { firstByteMs: 500 } })
        )
      )
      await Promise.allSettled(asked.map((answers) => answers.next()))
      await Promise.allSettled(asked.map((answers) => answers.return()))
    })

    const forger = await join()
    const forgerAttack = async (): Promise<void> => {
      const vote = forger.vote('precommit', randomHash())
      if (vote.type !== 'vote') return
      const key = cluster.node(3).publicKey
      await forger.say({ type: 'vote', vote: { ...vote.vote, signed: { ...vote.vote.signed, key } } })
    }
    await during('votes of others with false signatures', forgerAttack)
    await cluster.waitUntil('the ban of the forger', untilGone(forger, forgerAttack))

    const talker = await join()
    const talkerAttack = async (): Promise<void> => {
      await talker.sayBytes(randomBytes(900 * 1024))
    }
    await during('garbage', talkerAttack)
    await cluster.waitUntil('the ban of the talker', untilGone(talker, talkerAttack))

    const validator = await peer()
    const validatorAttack = async (): Promise<void> => {
      await validator.say(validator.candidate())
    }
    await during('candidates with made-up prevotes', validatorAttack)
    await cluster.waitUntil('the ban of the validator', untilGone(validator, validatorAttack))

    expect(bans()).toBeGreaterThanOrEqual(3 * honest.length)
    for (const node of honest) {
      const peers = (await node.peers()).filter(({ publicKey }) =>
        honest.some((other) => other.publicKey === publicKey)
      )
      expect(
        peers.map(({ score }) => score),
        'no honest node lost its score'
      ).toEqual([0, 0])
    }
    // The liar's claim of a ledger that nobody has may be looked into for a moment.
    await cluster.waitUntil('all to be synced', async () =>
      (await cluster.statuses()).every(({ sync: state, quorum }) => state === 'synced' && quorum.present === 3)
    )
    expect(memoryGrowth()).toBeLessThan(MEMORY_BYTES)
    expect(honest.flatMap(faultsOf)).toEqual([])
  })
})
