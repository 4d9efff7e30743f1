import { readFileSync } from 'node:fs'
import { Point } from '@noble/ed25519'
import { describe, expect, it } from 'vitest'
import { blake3Hex, createKeyPair, Signer, verifySignature } from '../../../src/crypto/index.js'
import { challengeOf, inputIdOf, isUserKey, verifyUserProof } from '../../../src/users/index.js'

const fixture = JSON.parse(readFileSync(new URL('../../fixtures/prototype/handshake.json', import.meta.url), 'utf8'))
const { networkId, nodeKey, expiryMs, pubkey } = fixture
const proof = { expiryMs, nonce: Buffer.from(fixture.nonce, 'hex'), signature: Buffer.from(fixture.sig, 'hex') }

describe('user proofs', () => {
  it('computes the challenge as protocols/users.md lays it out', () => {
    const time = Buffer.alloc(8)
    time.writeBigUInt64BE(BigInt(expiryMs))
    const preimage = Buffer.concat([
      Buffer.from('hp-p2p/user-challenge/1\0'),
      Buffer.from(networkId, 'hex'),
      Buffer.from(nodeKey, 'hex'),
      time,
      proof.nonce
    ])
    expect(challengeOf(networkId, nodeKey, expiryMs, proof.nonce)).toBe(blake3Hex(preimage))
    expect(challengeOf(networkId, nodeKey, expiryMs, proof.nonce)).toBe(fixture.challenge)
  })

  it('accepts a signature that libsodium made', () => {
    expect(createKeyPair(Buffer.from(fixture.seed, 'hex')).publicKey).toBe(pubkey)
    expect(verifyUserProof(networkId, nodeKey, pubkey, proof)).toBe(true)
  })

  it('refuses the proof for another node, network, user, time or nonce', () => {
    const other = createKeyPair().publicKey
    expect(verifyUserProof(networkId, other, pubkey, proof)).toBe(false)
    expect(verifyUserProof('10'.repeat(32), nodeKey, pubkey, proof)).toBe(false)
    expect(verifyUserProof(networkId, nodeKey, other, proof)).toBe(false)
    expect(verifyUserProof(networkId, nodeKey, pubkey, { ...proof, expiryMs: expiryMs + 1 })).toBe(false)
    expect(verifyUserProof(networkId, nodeKey, pubkey, { ...proof, nonce: Buffer.alloc(16) })).toBe(false)
  })

  it('refuses malformed parts without an error', () => {
    for (const bad of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(verifyUserProof(networkId, nodeKey, pubkey, { ...proof, expiryMs: bad })).toBe(false)
    }
    for (const length of [0, 15, 17, 1_000]) {
      expect(verifyUserProof(networkId, nodeKey, pubkey, { ...proof, nonce: Buffer.alloc(length) })).toBe(false)
    }
    for (const length of [0, 63, 65]) {
      expect(verifyUserProof(networkId, nodeKey, pubkey, { ...proof, signature: Buffer.alloc(length) })).toBe(false)
    }
    for (const key of ['', 'xyz', pubkey.toUpperCase(), `${pubkey}00`]) {
      expect(verifyUserProof(networkId, nodeKey, key, proof)).toBe(false)
    }
    expect(verifyUserProof('', nodeKey, pubkey, proof)).toBe(false)
    expect(verifyUserProof(networkId, '', pubkey, proof)).toBe(false)
  })

  it('refuses every key of small order', () => {
    const torsion = Point.fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05')
    let point = torsion
    const seen = new Set<string>()
    for (let i = 0; i < 8; i++) {
      seen.add(point.toHex())
      expect(isUserKey(point.toHex())).toBe(false)
      point = point.add(torsion)
    }
    expect(seen.size).toBe(8)
    // The identity with y = p + 1 and with the sign bit set.
    expect(isUserKey(`ee${'ff'.repeat(30)}7f`)).toBe(false)
    expect(isUserKey(`01${'00'.repeat(30)}80`)).toBe(false)
    expect(isUserKey(pubkey)).toBe(true)
  })

  it('is refused for a weak key even when the signature equation holds', () => {
    // With the identity as key, R = identity and S = 0 satisfy the equation for every message.
    const weak = `01${'00'.repeat(31)}`
    const signature = Buffer.concat([Buffer.from(weak, 'hex'), Buffer.alloc(32)])
    expect(verifySignature(weak, Buffer.from(fixture.challenge), signature)).toBe(true)
    expect(verifyUserProof(networkId, nodeKey, weak, { ...proof, signature })).toBe(false)
  })
})

describe('input ids', () => {
  const content = Buffer.from(fixture.input)

  it('commit to user, session, place and content', () => {
    const id = inputIdOf(pubkey, fixture.challenge, 0, content)
    expect(id).toBe(fixture.inputId)
    const others = [
      inputIdOf(createKeyPair().publicKey, fixture.challenge, 0, content),
      inputIdOf(pubkey, '00'.repeat(32), 0, content),
      inputIdOf(pubkey, fixture.challenge, 1, content),
      inputIdOf(pubkey, fixture.challenge, 0, Buffer.from('hello'))
    ]
    expect(new Set([id, ...others]).size).toBe(5)
  })

  it('have the layout of protocols/users.md', () => {
    const place = Buffer.alloc(8)
    place.writeBigUInt64BE(258n)
    const parts = [Buffer.from('hp-p2p/input/1\0'), Buffer.from(pubkey, 'hex'), Buffer.from(fixture.challenge)]
    const preimage = Buffer.concat([...parts, place, content])
    expect(inputIdOf(pubkey, fixture.challenge, 258, content)).toBe(blake3Hex(preimage))
  })

  it('are not made of malformed parts', () => {
    expect(() => inputIdOf('ab', fixture.challenge, 0, content)).toThrow(RangeError)
    expect(() => inputIdOf(pubkey, 'ab', 0, content)).toThrow(RangeError)
    expect(() => inputIdOf(pubkey, fixture.challenge, -1, content)).toThrow(RangeError)
  })
})

it('signs what libsodium signs', () => {
  const signer = new Signer(createKeyPair(Buffer.from(fixture.seed, 'hex')))
  expect(Buffer.from(signer.sign(Buffer.from(fixture.challenge))).toString('hex')).toBe(fixture.sig)
})
