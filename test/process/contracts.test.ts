import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkOneChain } from '../helpers/chain.js'
import { Cluster } from '../helpers/cluster.js'

describe('a contract that goes wrong', () => {
  it('has no effect for that ledger: users are told and the chain goes on', async () => {
    const cluster = await Cluster.start({
      contract: 'obedient.sh',
      config: { roundtime: 1000, exectimeout: 3000, useroutputbytes: 1024 * 1024, outputbytes: 2 * 1024 * 1024 }
    })
    const user = await cluster.connect(0)
    const other = await cluster.connect(2, { as: user })
    expect(await user.ask('note first\n')).toBe('noted first\n')
    const cases = [
      { word: 'pid', notice: 'ledger_void', reason: /did not agree/ },
      { word: 'crash', notice: 'execution_failed', reason: /SIGSEGV|signal/ },
      { word: 'exit', notice: 'execution_failed', reason: /3/ },
      { word: 'hang', notice: 'execution_failed', reason: /3000 ms|time/ },
      { word: 'flood', notice: 'execution_failed', reason: /output|bytes/ },
      { word: 'device', notice: 'execution_failed', reason: /pipe/ }
    ]
    for (const [index, { word, notice, reason }] of cases.entries()) {
      const seen = user.notices.length
      user.send(`${word}\n`)
      await cluster.waitUntil(`a word about ${word}`, () => user.notices.length > seen && other.notices.length > seen)
      for (const { notices } of [user, other]) {
        expect(notices[seen]).toMatchObject({ notice, seq: expect.any(Number), reason: expect.stringMatching(reason) })
      }
      expect(await user.ask(`note after ${word}\n`)).toBe(`noted after ${word}\n`)
      expect(user.notices).toHaveLength(index + 1)
    }
    expect(await user.ask('count\n')).toBe(`${cases.length + 1} notes\n`)
    await cluster.waitUntilSettled()
    for (const status of await cluster.statuses()) expect(status.sync).toBe('synced')
    await cluster.stopAll()
    const chain = await checkOneChain(cluster.nodes)
    expect(chain.state.get('notes')).toBe(['first', ...cases.map(({ word }) => `after ${word}`), ''].join('\n'))
    expect([...chain.state.keys()]).toEqual(['notes'])
  })

  it('voids every execution of a contract that is not deterministic, and the chain goes on', async () => {
    const cluster = await Cluster.start({ contract: 'nondeterministic.sh', config: { roundtime: 1000 } })
    const user = await cluster.connect(1)
    for (let round = 1; round <= 2; round++) {
      user.send('anything')
      await cluster.waitUntil('a notice', () => user.notices.length >= round)
    }
    expect(user.notices.map(({ notice }) => notice)).toEqual(['ledger_void', 'ledger_void'])
    expect(user.outputs).toEqual([])
    await cluster.stopAll()
    const chain = await checkOneChain(cluster.nodes, { isStateSettled: false })
    for (const { header } of chain.ledgers.slice(2)) {
      expect(header.result).toMatchObject({ status: 'void', stateRoot: chain.ledgers[0]?.header.result.stateRoot })
    }
  })

  it('on one node alone is outvoted there: it takes the agreed state and outputs from the others', async () => {
    const cluster = await Cluster.create({ contract: 'obedient.sh', config: { roundtime: 1000 } })
    const odd = cluster.node(3)
    const path = join(odd.dir, 'bin', 'obedient.sh')
    const script = await readFile(path, 'utf8')
    await writeFile(
      path,
      script.replace('>> state/notes', '>> state/elsewhere').replace('echo "noted', 'echo "mistaken')
    )
    await cluster.startAll()
    const user = await cluster.connect(0)
    const served = await cluster.connect(3, { as: user })
    for (const number of [1, 2, 3]) {
      expect(await user.ask(`note number ${number}\n`)).toBe(`noted number ${number}\n`)
      await served.waitForText(`noted number ${number}\n`)
    }
    expect(served.text).toBe(user.text)
    await cluster.waitUntilSettled()
    await cluster.stopAll()
    const chain = await checkOneChain(cluster.nodes)
    expect(chain.state.get('notes')).toBe('number 1\nnumber 2\nnumber 3\n')
    expect(
      odd
        .warnings()
        .map(({ msg }) => msg)
        .join()
    ).toContain('is not the agreed one')
  })
})
