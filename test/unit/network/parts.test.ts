import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LevelDatastore } from 'datastore-level'
import { Key } from 'interface-datastore'
import { decode } from 'it-length-prefixed'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createKeyPair } from '../../../src/crypto/index.js'
import { AddressBook } from '../../../src/network/address-book.js'
import { checkToldAddresses, parseAddress } from '../../../src/network/addresses.js'
import { awakeNow, startAwakeClock, tickAwakeClock } from '../../../src/network/awake.js'
import { MAX_GOSSIP_FRAME_BYTES, readGossip } from '../../../src/network/gossip-reader.js'
import { findDifferences } from '../../../src/network/hello.js'
import { DEFAULT_LIMITS, NetworkError, toPeerId, toPublicKey } from '../../../src/network/index.js'
import { LocalAddresses } from '../../../src/network/local-address.js'
import { TokenBucket } from '../../../src/network/rate-limit.js'
import { PeerScores } from '../../../src/network/scores.js'
import { createLog } from './helpers.js'

describe('addresses', () => {
  const peerId = toPeerId(createKeyPair().publicKey).toString()
  const relayId = toPeerId(createKeyPair().publicKey).toString()

  it.each([
    ['/ip4/10.1.2.3/tcp/22860/ws', '/ip4/10.1.2.3/tcp/22860/ws', null],
    [`/dns4/node.example.com/tcp/443/tls/ws/p2p/${peerId}`, '/dns4/node.example.com/tcp/443/tls/ws', peerId],
    [`/ip6/::1/tcp/1/p2p/${peerId}`, '/ip6/::1/tcp/1', peerId],
    ['/dns6/node.example.com/tcp/22860', '/dns6/node.example.com/tcp/22860', null],
    ['/dns4/node.example.com/tcp/443/wss', '/dns4/node.example.com/tcp/443/wss', null],
    [`/dnsaddr/example.com/p2p/${peerId}`, '/dnsaddr/example.com', peerId],
    [
      `/dns4/relay.example.com/tcp/443/wss/p2p/${relayId}/p2p-circuit/p2p/${peerId}`,
      `/dns4/relay.example.com/tcp/443/wss/p2p/${relayId}/p2p-circuit`,
      peerId
    ]
  ])('reads %s', (text, transport, id) => {
    expect(parseAddress(text)).toEqual({ transport, peerId: id })
  })

  it.each([
    'nonsense',
    '',
    '/ip4/1.2.3.4',
    '/ip4/1.2.3.4/udp/4/quic-v1',
    '/ip4/0.0.0.0/tcp/4/ws',
    '/ip4/1.2.3.4/tcp/0/ws',
    '/ip4/1.2.3.4/tcp/70000',
    `/ip4/1.2.3.4/tcp/4/p2p/${peerId}/p2p-circuit`,
    `/ip4/1.2.3.4/tcp/4/p2p-circuit/p2p/${peerId}`,
    `/ip4/1.2.3.4/p2p/${peerId}/p2p-circuit/p2p/${peerId}`,
    `/ip4/1.2.3.4/tcp/4/p2p/${peerId}/p2p-circuit/tcp/4/p2p/${peerId}`,
    `/p2p/${peerId}/p2p-circuit/p2p/${peerId}`,
    '/dnsaddr/example.com/tcp/4',
    `/dns4/${'a'.repeat(300)}/tcp/4`
  ])('refuses %s', (text) => {
    expect(() => parseAddress(text)).toThrow(NetworkError)
  })

  it('keeps of what a peer tells only what can be right', () => {
    const about = createKeyPair().publicKey
    const own = toPeerId(about).toString()
    const told = [
      `/ip4/10.0.0.1/tcp/1/ws/p2p/${own}`,
      '/ip4/10.0.0.1/tcp/1/ws',
      `/ip4/10.0.0.2/tcp/1/ws/p2p/${peerId}`,
      '/ip4/127.0.0.1/tcp/1/ws',
      'x'.repeat(100_000),
      '/ip4/10.0.0.3/tcp/1',
      '/ip4/10.0.0.4/tcp/1'
    ]
    expect(checkToldAddresses(told, about, '/ip4/10.0.0.9/tcp/5', 2, 256)).toEqual([
      '/ip4/10.0.0.1/tcp/1/ws',
      '/ip4/10.0.0.3/tcp/1'
    ])
    expect(checkToldAddresses(['/ip4/127.0.0.1/tcp/1'], about, '/ip4/127.0.0.1/tcp/5', 2, 256)).toHaveLength(1)
  })

  it('turn keys into peer ids and back', () => {
    const { publicKey } = createKeyPair()
    expect(toPublicKey(toPeerId(publicKey))).toBe(publicKey)
    expect(() => toPeerId('ab')).toThrow(NetworkError)
  })
})

describe('the address book', () => {
  async function open(limits = DEFAULT_LIMITS) {
    const dir = await mkdtemp(join(tmpdir(), 'hp-book-'))
    onTestFinished(() => rm(dir, { recursive: true, force: true }))
    const store = new LevelDatastore(dir)
    await store.open()
    onTestFinished(() => store.close())
    return { store, book: new AddressBook(store, limits, createLog().log) }
  }

  it('keeps over a restart the addresses that worked, the best first, and drops what it cannot read', async () => {
    const { store, book } = await open()
    const peer = createKeyPair().publicKey
    book.add(peer, ['/ip4/10.0.0.1/tcp/1', '/ip4/10.0.0.2/tcp/1', '/ip4/10.0.0.3/tcp/1'])
    book.worked(peer, '/ip4/10.0.0.3/tcp/1')
    book.worked(peer, '/ip4/10.0.0.2/tcp/1')
    book.failed(peer, '/ip4/10.0.0.2/tcp/1')
    expect(book.addresses(peer)).toEqual(['/ip4/10.0.0.3/tcp/1', '/ip4/10.0.0.1/tcp/1', '/ip4/10.0.0.2/tcp/1'])
    await book.close()
    await store.put(new Key(`/hp/addresses/${'ee'.repeat(32)}`), Buffer.from('not json'))
    const again = new AddressBook(store, DEFAULT_LIMITS, createLog().log)
    await again.load()
    expect(again.peers()).toEqual([peer])
    expect(new Set(again.addresses(peer))).toEqual(new Set(['/ip4/10.0.0.3/tcp/1', '/ip4/10.0.0.2/tcp/1']))
    await again.close()
  })

  it('is bounded in peers and addresses, and never forgets whom it must keep', async () => {
    const { book } = await open({ ...DEFAULT_LIMITS, maxKnownPeers: 3, maxAddressesPerPeer: 2 })
    const kept = 'aa'.repeat(32)
    book.add(kept, ['/ip4/10.0.0.1/tcp/1'])
    for (let index = 0; index < 20; index++) {
      const peer = index.toString(16).padStart(64, '0')
      book.add(
        peer,
        [1, 2, 3, 4].map((port) => `/ip4/10.0.0.1/tcp/${port}`),
        (victim) => victim !== kept
      )
    }
    expect(book.peers()).toHaveLength(3)
    expect(book.has(kept)).toBe(true)
    for (const peer of book.peers()) expect(book.addresses(peer).length).toBeLessThanOrEqual(2)
    await book.close()
  })
})

describe('scores', () => {
  it('fall with each offence, come back with time, and ban at the threshold for a while', () => {
    let nowMs = 0
    const scores = new PeerScores(DEFAULT_LIMITS, () => nowMs)
    expect(scores.report('a', 'garbage')).toBe(false)
    nowMs += DEFAULT_LIMITS.scoreHalfLifeMs
    expect(Math.round(scores.get('a'))).toBe(-17)
    expect(scores.report('a', 'garbage')).toBe(false)
    expect(scores.report('a', 'garbage')).toBe(false)
    expect(scores.report('a', 'garbage')).toBe(true)
    expect(scores.isBanned('a')).toBe(true)
    expect(scores.report('a', 'garbage')).toBe(false)
    expect(scores.isBanned('b')).toBe(false)
    nowMs += DEFAULT_LIMITS.banMs
    expect(scores.isBanned('a')).toBe(false)
    expect(scores.get('a')).toBe(-50)
    nowMs += DEFAULT_LIMITS.scoreHalfLifeMs * 10
    expect(scores.get('a')).toBe(0)
  })
})

describe('a token bucket', () => {
  it('gives the burst and then the rate', () => {
    let nowMs = 0
    const bucket = new TokenBucket(10, 5, () => nowMs)
    expect([1, 2, 3, 4, 5, 6].map(() => bucket.take())).toEqual([true, true, true, true, true, false])
    nowMs += 200
    expect([bucket.take(2), bucket.take()]).toEqual([true, false])
    nowMs += 60_000
    expect([bucket.take(5), bucket.take()]).toEqual([true, false])
  })
})

describe('the reader of gossip', () => {
  const GOOD = Buffer.from([2, 7, 7])
  const BAD = Buffer.from([2, 0, 7])

  /** What the reader says of the bytes, cut into pieces of this size. */
  async function read(bytes: Uint8Array, size: number): Promise<{ said: string[]; aborted: boolean }> {
    const said: string[] = []
    let aborted = false
    const pieces = async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    const stream = {
      abort: () => {
        aborted = true
      }
    }
    await readGossip(decode(pieces(), { maxDataLength: MAX_GOSSIP_FRAME_BYTES }), stream, {
      decode: (frame) => {
        if (frame[0] === 0) throw new Error('no RPC')
        return frame.length
      },
      take: (length) => said.push(`took ${length}`),
      onGarbage: () => said.push('garbage'),
      onOversized: () => said.push('oversized'),
      onBroken: () => said.push('broken')
    })
    return { said, aborted }
  }

  it('tells of each frame that does not decode, and goes on behind it', async () => {
    const bytes = Buffer.concat([GOOD, BAD, GOOD, Buffer.from([0xac, 0x02]), Buffer.alloc(300, 1)])
    for (const size of [1, 2, 5, bytes.length]) {
      expect(await read(bytes, size)).toEqual({ said: ['took 2', 'garbage', 'took 2', 'took 300'], aborted: false })
    }
  })

  it('finds nothing wrong with a stream that ends anywhere', async () => {
    const bytes = Buffer.concat([GOOD, Buffer.from([0xac, 0x02]), Buffer.alloc(300)])
    for (let end = 0; end < bytes.length; end += 7) {
      const { said } = await read(bytes.subarray(0, end), 10)
      expect(said).not.toContain('garbage')
      expect(said).not.toContain('oversized')
    }
  })

  it('resets a stream with a length that cannot be', async () => {
    for (const length of [[0xff, 0xff, 0xff, 0x7f], Array(10).fill(0x80)]) {
      expect(await read(Buffer.from(length), 3)).toEqual({ said: ['oversized'], aborted: true })
    }
  })
})

describe('the clock of the time awake', () => {
  it('stands still while the process could not run, and never goes back', () => {
    const stop = startAwakeClock()
    const startMs = performance.now() + 1000
    tickAwakeClock(startMs)
    const atMs = awakeNow(startMs)
    tickAwakeClock(startMs + 100)
    expect(awakeNow(startMs + 100) - atMs).toBeCloseTo(100, 5)
    expect(awakeNow(startMs + 30_000) - atMs).toBeLessThanOrEqual(260)
    tickAwakeClock(startMs + 30_000)
    tickAwakeClock(startMs + 30_100)
    expect(awakeNow(startMs + 30_100) - atMs).toBeLessThanOrEqual(360)
    expect(awakeNow(startMs)).toBeGreaterThanOrEqual(atMs)
    stop()
    stop()
  })
})

describe('the addresses of this machine', () => {
  it('are gone when they were there and are not at two looks', () => {
    let own = ['192.0.2.1', '::ffff:192.0.2.9', 'fe80::1%eth0']
    const addresses = new LocalAddresses(() => own)
    expect(addresses.look()).toBe(true)
    expect(addresses.look()).toBe(false)
    own = ['192.0.2.2', 'fe80::1%eth0']
    expect(addresses.look()).toBe(true)
    expect(addresses.isGone('192.0.2.1')).toBe(false)
    expect(addresses.look()).toBe(false)
    expect(['192.0.2.1', '192.0.2.9', '192.0.2.2', 'fe80::1', '198.51.100.1'].map(addresses.isGone)).toEqual([
      true,
      true,
      false,
      false,
      false
    ])
    own = ['192.0.2.1']
    addresses.look()
    expect(addresses.isGone('192.0.2.1')).toBe(false)
  })
})

describe('two descriptions', () => {
  const base = {
    networkId: 'aa',
    contractId: 'c',
    unlHash: 'u',
    configHash: 'h',
    genesisStateRoot: 's',
    threshold: 67,
    roundtimeMs: 1,
    minRoundtimeMs: 0,
    limitsHash: 'l',
    role: 'validator' as const,
    seq: 0,
    lcl: ''
  }

  it('differ only when the network id does', () => {
    expect(findDifferences(base, { ...base, unlHash: 'x', seq: 9 })).toEqual([])
    const other = { ...base, networkId: 'bb' }
    expect(findDifferences(base, other)).toEqual(['network id'])
    expect(findDifferences(base, { ...other, unlHash: 'x', roundtimeMs: 2, configHash: 'y' })).toEqual([
      'UNL',
      'roundtime'
    ])
    expect(findDifferences(base, { ...other, configHash: 'y' })).toEqual(['consensus configuration'])
  })
})
