import { expect, test } from 'vitest'
import { voteBytes } from '../../src/codec/index.js'

test('every part of a vote is signed', () => {
  const vote = { seq: 3, attempt: 2, kind: 'precommit', hash: '0a'.repeat(32) } as const
  const others = [
    { ...vote, seq: 4 },
    { ...vote, attempt: 1 },
    { ...vote, kind: 'prevote' as const },
    { ...vote, hash: '0b'.repeat(32) },
    { ...vote, hash: null }
  ]
  const networkId = '01'.repeat(32)
  const signed = [voteBytes(networkId, vote), voteBytes('02'.repeat(32), vote)]
  for (const other of others) signed.push(voteBytes(networkId, other))
  expect(new Set(signed.map((bytes) => Buffer.from(bytes).toString('hex'))).size).toBe(signed.length)
})
