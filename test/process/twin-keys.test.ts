import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseConfigText, readConfigText, writeConfig } from '../../src/config/index.js'
import { checkOneChain } from '../helpers/chain.js'
import { Cluster, onCleanup } from '../helpers/cluster.js'
import { NodeProcess } from '../helpers/node-process.js'
import { findFreePort, HOST } from '../helpers/ports.js'

const LEDGERS = 10

/** A second node with the key and the directory of one that does not run, as who restores a copy of a machine has it. */
async function copyNode(original: NodeProcess, dir: string): Promise<NodeProcess> {
  await cp(original.dir, dir, { recursive: true, filter: (path) => !path.endsWith('.sock') })
  const ports = { pubport: await findFreePort(), peerport: await findFreePort(), tcpport: await findFreePort() }
  await writeConfig(dir, { ...parseConfigText((await readConfigText(dir)).text), ...ports })
  const twin = new NodeProcess(dir, original.publicKey, `ws://${HOST}:${ports.pubport}`, ports)
  onCleanup(async () => {
    await twin.stop()
    twin.killContract()
  })
  return twin
}

describe('a key that two validators use at once', () => {
  it('stops nobody, forks nothing, and is noticed', async () => {
    const cluster = await Cluster.start({ contract: 'echo', config: { roundtime: 300 } })
    const honest = cluster.nodes.slice(0, 3)
    const original = cluster.node(3)
    const user = await cluster.connect(0)
    await user.ask('before\n')
    await original.stop()
    const twin = await copyNode(original, join(cluster.dir, 'twin'))
    await Promise.all([original.start(), twin.start()])

    await cluster.waitUntil('the warning', async () => {
      await user.ask('meanwhile\n')
      const statuses = await Promise.all(honest.map((node) => node.waitFor('an answer', () => true)))
      return statuses.every(({ warnings }) => warnings.some((words) => words.includes(original.publicKey)))
    })
    const { seq } = await cluster.node(0).waitFor('an answer', () => true)
    for (let asked = 0; asked < LEDGERS; asked++) expect(await user.ask(`${asked}\n`)).toBe(`${asked}\n`)
    await Promise.all(honest.map((node) => node.waitFor('ledgers', (status) => status.seq >= seq + LEDGERS)))
    for (const node of honest) {
      expect(node.log().some(({ level, msg }) => level >= 50 && msg.includes(original.publicKey))).toBe(true)
    }
    // One of the two is told to its face.
    await cluster.waitUntil('the word to one of the two', () =>
      [original, twin].some((node) => node.log().some(({ msg }) => /another node (with your|uses the) key/.test(msg)))
    )

    await twin.stop()
    expect(await user.ask('after\n')).toBe('AFTER\n')
    await cluster.stopAll()
    await checkOneChain([...cluster.nodes, twin])
  })
})
