import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Journal, type JournalFile, openJournalFile } from '../../../src/node/journal.js'

const networkId = 'aa'.repeat(32)
const key = 'bb'.repeat(32)

let dir: string
let path: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'hp-journal-'))
  path = join(dir, 'journal')
})
afterEach(() => rm(dir, { recursive: true, force: true }))

function content(text: string): { content: Uint8Array<ArrayBuffer> } {
  return { content: Buffer.from(text) as Uint8Array<ArrayBuffer> }
}

async function write(...texts: string[]): Promise<void> {
  const { journal } = await Journal.open(await openJournalFile(path), networkId, key)
  for (const text of texts) {
    journal.add(content(text))
    await journal.flush()
  }
  await journal.close()
}

async function read(): Promise<string[]> {
  const { journal, records } = await Journal.open(await openJournalFile(path), networkId, key)
  await journal.close()
  return records.map((record) => Buffer.from(record.content ?? []).toString())
}

describe('the journal', () => {
  it('gives back what was flushed, over several starts', async () => {
    await write('one', 'two')
    await write('three')
    expect(await read()).toEqual(['one', 'two', 'three'])
  })

  it('drops a last record that is cut anywhere, and goes on behind the one before', async () => {
    await write('one', 'two')
    const whole = await readFile(path)
    const last = 4 + 4 + 8 + 2 + 'two'.length
    for (let cut = 1; cut < last; cut++) {
      await writeFile(path, whole.subarray(0, whole.length - cut))
      expect(await read()).toEqual(['one'])
      await write('again')
      expect(await read()).toEqual(['one', 'again'])
    }
  })

  it('refuses to start when a record before the last is damaged, whichever byte of it', async () => {
    await write('one', 'two', 'three')
    const whole = await readFile(path)
    const at = whole.indexOf('two')
    for (const offset of [at, at - 1, at - 6, at - 12, at - 17]) {
      const damaged = Buffer.from(whole)
      damaged[offset] = (damaged[offset] as number) ^ 0x10
      await writeFile(path, damaged)
      await expect(read()).rejects.toThrow('damaged')
    }
  })

  it('makes what it reads back durable: a killed process may have written what no sync has reached', async () => {
    let [written, durable] = [Buffer.alloc(0), Buffer.alloc(0)]
    let isSyncing = true
    const file: JournalFile = {
      read: async () => written,
      append: async (bytes) => {
        written = Buffer.concat([written, bytes])
      },
      sync: async () => {
        if (isSyncing) durable = written
      },
      truncate: async (length) => {
        written = written.subarray(0, length)
      },
      close: async () => {}
    }
    const { journal } = await Journal.open(file, networkId, key)
    isSyncing = false
    journal.add(content('said'))
    await journal.flush()
    isSyncing = true
    const { records } = await Journal.open(file, networkId, key)
    written = durable
    const after = await Journal.open(file, networkId, key)
    expect(records).toHaveLength(1)
    expect(after.records).toEqual(records)
  })

  it('does not take content that looks like a record for one', async () => {
    await write('one', `hpj1${'\0'.repeat(40)}hpj1`)
    const whole = await readFile(path)
    await writeFile(path, whole.subarray(0, whole.length - 1))
    expect(await read()).toEqual(['one'])
  })

  it('belongs to one key and one network', async () => {
    await write('one')
    const open = async (network: string, owner: string) => Journal.open(await openJournalFile(path), network, owner)
    await expect(open(networkId, 'cc'.repeat(32))).rejects.toThrow('rekey')
    await expect(open('cc'.repeat(32), key)).rejects.toThrow('another network')
  })

  it('says when nothing of it is readable', async () => {
    const isNew = async (): Promise<boolean> => {
      const opened = await Journal.open(await openJournalFile(path), networkId, key)
      await opened.journal.close()
      return opened.isNew
    }
    expect(await isNew()).toBe(true)
    expect(await isNew()).toBe(false)
    await writeFile(path, 'hpj')
    expect(await isNew()).toBe(true)
  })

  it('writes nothing out before flush, and syncs before flush returns', async () => {
    const done: string[] = []
    const file: JournalFile = {
      read: async () => new Uint8Array(0),
      append: async () => void done.push('append'),
      sync: async () => void done.push('sync'),
      truncate: async () => void done.push('truncate'),
      close: async () => {}
    }
    const { journal } = await Journal.open(file, networkId, key)
    done.length = 0
    journal.add(content('one'))
    journal.add(content('two'))
    expect(done).toEqual([])
    await journal.flush()
    expect(done).toEqual(['append', 'sync'])
    await journal.flush()
    expect(done).toEqual(['append', 'sync'])
  })

  it('is cut back only once it is long', async () => {
    const { journal } = await Journal.open(await openJournalFile(path), networkId, key)
    journal.add(content('short'))
    await journal.flush()
    await journal.ledgerClosed()
    expect((await readFile(path)).includes('short')).toBe(true)
    journal.add(content('x'.repeat(5 * 1024 * 1024)))
    await journal.flush()
    await journal.ledgerClosed()
    expect((await readFile(path)).length).toBeLessThan(200)
    await journal.close()
    expect(await read()).toEqual([])
  })
})
