import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createKeyPair } from '../../src/crypto/index.js'
import { checkOneChain } from '../helpers/chain.js'
import { Cluster, onCleanup } from '../helpers/cluster.js'
import { halfFrame, measurePace, RawUser, residentBytes, signChallenge, upgradeRaw } from '../helpers/hostile-user.js'
import { HOST } from '../helpers/ports.js'
import { userAttacks } from '../helpers/user-attacks.js'

const MIB = 1024 * 1024
/** Beyond the memory at rest: what the limits on buffers, waiting inputs and connections let a node hold. */
const MEMORY_BYTES = 400 * MIB
const CONNECTIONS = 1000
/** Of the pace without an attack; on a machine that is shared with the attacker, generous. */
const LEAST_PACE = 0.03
const PACE_MS = 2500

describe('users who are not who they say', () => {
  it('are refused, whatever they have copied from others', async () => {
    const cluster = await Cluster.start({ nodes: 2, contract: 'echo', config: { roundtime: 500 } })
    const [url, otherUrl] = cluster.nodes.map(({ userUrl }) => userUrl) as [string, string]
    const victim = createKeyPair()
    const thief = createKeyPair()
    const first = await RawUser.meet(url)
    const signature = signChallenge(first.challenge, victim)
    first.raw.answer(first.challenge, victim.publicKey, signature)
    first.raw.send('first\n')
    await cluster.waitUntil('its answer', () => first.raw.messages > 1)

    const refused = async (
      target: string,
      change: (challenge: string) => [string, string, string]
    ): Promise<number> => {
      const { raw, challenge } = await RawUser.meet(target)
      raw.answer(...change(challenge))
      return raw.closed
    }
    const { publicKey } = victim
    expect(await refused(url, () => [first.challenge, publicKey, signature]), 'a replayed answer').toBe(4001)
    expect(await refused(url, (own) => [own, publicKey, signature]), 'a replayed signature').toBe(4002)
    expect(await refused(otherUrl, () => [first.challenge, publicKey, signature]), 'the answer to another node').toBe(
      4001
    )
    expect(await refused(otherUrl, (own) => [own, publicKey, signature]), 'a proof made for another node').toBe(4002)
    expect(
      await refused(url, (own) => [own, publicKey, signChallenge(own, thief)]),
      'a stolen session: the key of one, the signature of another'
    ).toBe(4002)
    expect(await refused(url, (own) => [own, '00'.repeat(32), '00'.repeat(64)]), 'a key anyone can sign for').toBe(4002)

    // The same key twice is one user with two connections.
    const second = await RawUser.join(url, victim)
    const before = first.raw.messages
    second.send('second\n')
    await cluster.waitUntil('the answer on both', () => second.messages > 1 && first.raw.messages > before)
    expect([first.raw.isClosed, second.isClosed]).toEqual([false, false])
    // An answer sent once more after it was accepted is an input like any other, not a new session.
    first.raw.answer(first.challenge, thief.publicKey, signChallenge(first.challenge, thief))
    const echo = first.raw.messages
    await cluster.waitUntil('its echo', () => first.raw.messages > echo)
    for (const raw of [first.raw, second]) raw.end()
    await cluster.stopAll()
    await checkOneChain(cluster.nodes)
  })

  it('cannot send compressed bombs, oversized frames or frames that never end', async () => {
    const cluster = await Cluster.start({ nodes: 1, contract: 'echo', config: { roundtime: 500, pubmaxsize: 65_536 } })
    const { pid, ports, userUrl } = cluster.node(0)
    const before = residentBytes(pid)
    const { socket, head } = await upgradeRaw(HOST, ports.pubport, 'Sec-WebSocket-Extensions: permessage-deflate\r\n')
    expect(head).toMatch(/^HTTP\/1.1 101 /)
    expect(head.toLowerCase(), 'compression is not agreed on').not.toContain('sec-websocket-extensions')
    // A compressed frame all the same: the bit RSV1, masked, empty.
    const closed = new Promise<Buffer>((resolve) => {
      const chunks: Buffer[] = []
      socket.on('data', (chunk) => chunks.push(chunk))
      socket.on('close', () => resolve(Buffer.concat(chunks)))
    })
    socket.write(Buffer.from([0xc2, 0x80, 0, 0, 0, 0]))
    expect((await closed).includes(Buffer.from([0x03, 0xea])), 'closed with 1002').toBe(true)

    const giants = await Promise.all(Array.from({ length: 20 }, () => RawUser.join(userUrl)))
    for (const giant of giants) {
      const transport = (giant.socket as unknown as { _socket: Socket })._socket
      transport.write(halfFrame(2 ** 40))
    }
    expect(new Set(await Promise.all(giants.map(({ closed: end }) => end)))).toEqual(new Set([1009]))
    const pieces = await RawUser.join(userUrl)
    // Fragments of one message that together pass the limit.
    for (let count = 0; count < 20; count++) pieces.socket.send(Buffer.alloc(8192), { fin: false }, () => {})
    expect(await pieces.closed).toBe(1009)
    const user = await cluster.connect(0)
    expect(await user.ask('after\n')).toBe('AFTER\n')
    const growth = residentBytes(pid) - before
    console.log(`resident before ${Math.round(before / MIB)} MiB, growth ${Math.round(growth / MIB)} MiB`)
    expect(growth).toBeLessThan(MEMORY_BYTES)
  })
})

describe('users who want to be a burden', () => {
  it('take neither the pace of the others nor memory without limit', async () => {
    const cluster = await Cluster.start({ nodes: 3, contract: 'echo', config: { roundtime: 500, pubmaxcpm: 6000 } })
    const target = cluster.node(0)
    // One at the attacked node, one elsewhere.
    const [near, far] = [await cluster.connect(0), await cluster.connect(1)]
    await measurePace(near, 2000)
    const alone = await Promise.all([measurePace(near, PACE_MS), measurePace(far, PACE_MS)])
    const rest = residentBytes(target.pid)
    let most = rest
    const timer = setInterval(() => {
      most = Math.max(most, residentBytes(target.pid))
    }, 100)
    onCleanup(async () => clearInterval(timer))
    for (const { name, start } of userAttacks(CONNECTIONS)) {
      const run = await start({ host: HOST, ...target.ports })
      const under = await Promise.all([measurePace(near, PACE_MS), measurePace(far, PACE_MS)])
      await run.stop()
      const ratios = under.map(({ perS }, index) => perS / (alone[index]?.perS ?? 0))
      const [own, other] = ratios.map((ratio) => ratio.toFixed(2))
      console.log(`${name}: honest pace ${own} at the node, ${other} elsewhere; resident ${Math.round(most / MIB)} MiB`)
      for (const ratio of ratios) expect(ratio, name).toBeGreaterThan(LEAST_PACE)
      expect([near.closes, far.closes]).toEqual([[], []])
    }
    clearInterval(timer)
    console.log(
      `resident before ${Math.round(rest / MIB)} MiB, after ${Math.round(residentBytes(target.pid) / MIB)} MiB`
    )
    expect(most - rest).toBeLessThan(MEMORY_BYTES)
    const newcomer = await cluster.connect(0)
    expect(await newcomer.ask('a newcomer\n')).toBe('A NEWCOMER\n')
    expect(target.log().filter(({ level }) => level >= 50)).toEqual([])
    await cluster.waitUntilReady()
    await cluster.stopAll()
    await checkOneChain(cluster.nodes)
  })
})
