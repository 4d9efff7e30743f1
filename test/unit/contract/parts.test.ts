import { fstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { resolveBinary } from '../../../src/contract/index.js'
import { LogFile } from '../../../src/contract/log-files.js'
import { SenderOrder } from '../../../src/contract/party-line/sender-order.js'
import { WaitingRoom } from '../../../src/contract/party-line/waiting-room.js'
import { chooseTempDir, closeQuietly, readWhole, TempFiles } from '../../../src/contract/temp-files.js'
import { keyOf, makeDir, onCleanup } from './helpers.js'

describe('TempFiles', () => {
  it.each([true, false])('leaves nothing in the directory; nameless: %s', (nameless) => {
    const dir = makeDir()
    const files = new TempFiles(dir, nameless)
    const output = files.openAppend()
    const content = files.openContent([Buffer.from('one '), Buffer.from('two')])
    onCleanup(() => [output, content].forEach(closeQuietly))
    expect(readdirSync(dir)).toEqual([])
    expect(fstatSync(output).mode & 0o777).toBe(0o600)
    writeSync(output, 'a')
    writeSync(output, 'b')
    expect(Buffer.from(readWhole(output)).toString()).toBe('ab')
    expect(readFileSync(content, 'utf8')).toBe('one two')
    expect(() => writeSync(content, 'x')).toThrow(/EBADF/)
  })

  it('uses memory when it has the room', () => {
    expect(chooseTempDir(Number.MAX_SAFE_INTEGER)).not.toBe('/dev/shm')
  })
})

describe('SenderOrder', () => {
  const text = (messages: Uint8Array[]) => messages.map((data) => Buffer.from(data).toString())

  it('gives messages in order, once, within its limits', () => {
    const order = new SenderOrder({ messages: 4, bytes: 6 })
    expect(order.add(1, Buffer.from('b'))).toBe(true)
    expect(order.add(1, Buffer.from('b'))).toBe(false)
    expect(order.add(4, Buffer.from('e'))).toBe(false)
    expect(text(order.take())).toEqual([])
    expect(order.hasGap).toBe(true)
    expect(order.add(0, Buffer.from('a'))).toBe(true)
    expect(text(order.take())).toEqual(['a', 'b'])
    expect(order.add(0, Buffer.from('a'))).toBe(false)
    expect(order.add(2, Buffer.from('12345'))).toBe(false)
    order.end(3)
    order.end(1)
    expect(order.hasEnded).toBe(false)
    expect(order.add(3, Buffer.from('x'))).toBe(false)
    expect(order.add(2, Buffer.from('c'))).toBe(true)
    expect(text(order.take())).toEqual(['c'])
    expect(order.hasEnded).toBe(true)
  })

  it('gives up what is missing', () => {
    const order = new SenderOrder({ messages: 10, bytes: 100 })
    order.add(5, Buffer.from('f'))
    order.add(2, Buffer.from('c'))
    order.end(7)
    expect(text(order.skipGaps())).toEqual(['c', 'f'])
    expect(order.hasEnded).toBe(true)
    expect(order.hasGap).toBe(false)
  })
})

describe('WaitingRoom', () => {
  const message = (sender: number, seq: number, size = 10, lcl = keyOf(seq)) => ({
    sender: keyOf(sender),
    seq,
    lcl,
    ordinal: 0,
    data: Buffer.alloc(size)
  })

  it('keeps messages for the next ledgers, bounded for each sender and in all', () => {
    const room = new WaitingRoom({ senderBytes: 25, totalBytes: 60 })
    expect(room.add(message(1, 5), 5)).toBe(false)
    expect(room.add(message(1, 8), 5)).toBe(false)
    expect(room.add(message(1, 6), 5)).toBe(true)
    expect(room.add(message(1, 6), 5)).toBe(true)
    expect(room.add(message(1, 6), 5)).toBe(false)
    expect(room.add(message(2, 6, 10, keyOf(99)), 5)).toBe(true)
    expect(room.add(message(2, 7), 5)).toBe(true)
    expect(room.add(message(3, 6, 21), 5)).toBe(false)
    expect(room.take(6, keyOf(6))).toHaveLength(2)
    expect(room.bytes).toBe(10)
    expect(room.take(7, keyOf(7))).toHaveLength(1)
    expect(room.bytes).toBe(0)
  })

  it('lets a sender hold two ledgers at most, the newest', () => {
    const room = new WaitingRoom({ senderBytes: 100, totalBytes: 1000 })
    for (let seq = 1; seq <= 100; seq++) expect(room.add(message(1, seq), null)).toBe(true)
    expect(room.bytes).toBe(20)
    expect(room.take(100, keyOf(100))).toHaveLength(1)
  })
})

describe('resolveBinary', () => {
  it('takes absolute paths, those of the contract directory, and names on the path', () => {
    const dir = makeDir()
    mkdirSync(join(dir, 'bin'))
    writeFileSync(join(dir, 'bin/contract'), '#!/bin/sh\n', { mode: 0o755 })
    expect(resolveBinary(dir, 'bin/contract', '')).toBe(join(dir, 'bin/contract'))
    expect(resolveBinary(dir, '/bin/sh', '')).toBe('/bin/sh')
    expect(resolveBinary(dir, 'sh', '/none:/bin')).toBe('/bin/sh')
    expect(() => resolveBinary(dir, 'bin', '')).toThrow(/not a file/)
    expect(() => resolveBinary(dir, '', '')).toThrow(/hp\.cfg/)
  })
})

describe('LogFile', () => {
  it('follows no link that the contract put in its place', () => {
    const dir = makeDir()
    const victim = join(dir, 'victim')
    writeFileSync(victim, 'safe')
    mkdirSync(join(dir, 'log'))
    symlinkSync(victim, join(dir, 'log', 'x.log'))
    const log = new LogFile(join(dir, 'log'), 'x.log', 100, 2)
    onCleanup(() => log.close())
    writeSync(log.open(), 'text')
    expect(readFileSync(victim, 'utf8')).toBe('safe')
    expect(readFileSync(join(dir, 'log', 'x.log'), 'utf8')).toBe('text')
  })
})
