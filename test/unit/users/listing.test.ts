import { describe, expect, it } from 'vitest'
import type { ProposalUser, PublicKey } from '../../../src/consensus/types.js'
import { PendingInputs } from '../../../src/users/index.js'
import { Listing } from '../../../src/users/listing.js'

const keyOf = (index: number): PublicKey => index.toString(16).padStart(64, '0')

function user(index: number, session = 0): ProposalUser {
  return { key: keyOf(index), proof: { expiryMs: session, nonce: Buffer.alloc(16), signature: Buffer.alloc(64) } }
}

function range(first: number, count: number): ProposalUser[] {
  return Array.from({ length: count }, (_, index) => user(first + index))
}

const speakers = (...users: ProposalUser[]) => new Map(users.map((each) => [each.key, each]))
const keys = (users: ProposalUser[]): PublicKey[] => users.map(({ key }) => key)

describe('a long user list', () => {
  it('is the same array while nobody comes or goes, whoever speaks', () => {
    const connected = range(0, 1000)
    const listing = new Listing(() => 0)
    const list = listing.update(connected, new Map(), 4096)
    expect(list).toEqual(connected)
    for (const index of [5, 999, 0]) {
      expect(listing.update(connected, speakers(connected[index] as ProposalUser), 4096)).toBe(list)
    }
  })

  it('follows those who come and go after a second, and one who speaks at once', () => {
    let nowMs = 0
    const listing = new Listing(() => nowMs)
    const before = range(0, 500)
    const list = listing.update(before, new Map(), 4096)
    const after = range(100, 500)
    nowMs = 999
    expect(listing.update(after, new Map(), 4096)).toBe(list)
    const newcomer = after.at(-1) as ProposalUser
    expect(keys(listing.update(after, speakers(newcomer), 4096))).toEqual([...keys(before), newcomer.key])
    nowMs = 1000
    expect(listing.update(after, new Map(), 4096)).toEqual(after)
  })

  it('has the proof of the session that the inputs came on', () => {
    const connected = range(0, 300)
    const listing = new Listing(() => 0)
    listing.update(connected, new Map(), 4096)
    const again = user(7, 1)
    expect(listing.update(connected, speakers(again), 4096)[7]).toBe(again)
  })

  it('holds no more than it may; speakers replace those who were silent for longest, once', () => {
    const connected = range(0, 2000)
    const listing = new Listing(() => 0)
    const first = listing.update(connected, new Map(), 1000)
    expect(keys(first)).toEqual(keys(connected.slice(0, 1000)))
    const late = connected.slice(1500, 1600)
    const list = listing.update(connected, speakers(...late), 1000)
    expect(list.length).toBe(1000)
    expect(keys(list)).toEqual(keys([...connected.slice(100, 1000), ...late]))
    // From now on these take turns, and the list stays what it is.
    for (const each of late) expect(listing.update(connected, speakers(each), 1000)).toBe(list)
    const all = listing.update(connected, speakers(...connected.slice(0, 1000)), 1000)
    expect(keys(all)).toEqual(keys(connected.slice(0, 1000)))
  })

  it('names whoever has an input in the proposal, and has inputs of nobody else', () => {
    let nowMs = 0
    const pending = new PendingInputs({}, undefined, () => nowMs)
    const connected = range(0, 5000)
    const speak = (index: number, ordinal: number): void => {
      const { key, proof } = user(index)
      const source = { user: key, proof, sessionId: keyOf(index), ordinal }
      expect(pending.add(source, Buffer.from('x'))).toMatchObject({ taken: true })
    }
    for (const index of [4999, 3, 9000]) speak(index, 0)
    const selection = pending.select(1000, connected, 1000, 4096)
    expect(selection.users.length).toBe(4096)
    const named = new Set(keys(selection.users))
    expect(selection.inputs.map((input) => input.user)).toEqual([keyOf(3), keyOf(4999), keyOf(9000)])
    for (const input of selection.inputs) expect(named.has(input.user)).toBe(true)
    expect(keys(selection.users)).toEqual(keys(selection.users).sort())
    pending.confirm(selection.inputs.map(({ id }) => id))
    // Who is not connected and has nothing waiting goes with the next look.
    nowMs = 1000
    const later = pending.select(1000, [...connected], 1000, 4096).users
    expect(keys(later)).not.toContain(keyOf(9000))
    expect(keys(later)).toContain(keyOf(4999))
  })
})
