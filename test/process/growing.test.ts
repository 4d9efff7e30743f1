import { describe, expect, it } from 'vitest'
import { adminRequest, type ConfigView } from '../../src/admin/index.js'
import { checkOneChain } from '../helpers/chain.js'
import { type CliResult, runCli, runJson } from '../helpers/cli.js'
import { Cluster } from '../helpers/cluster.js'
import type { NodeProcess } from '../helpers/node-process.js'
import { Talker } from '../helpers/talker.js'
import { User } from '../helpers/user.js'

/** Seven nodes share few cores here, perhaps with others: what takes a minute may take some. */
const PATIENCE_MS = 180_000
const TEST_TIMEOUT_MS = 600_000
const WAIT = ['--wait', '120']
const PAUSE_MS = 100
const CONFIG = { roundtime: 1000, minroundtime: 300, sandbox: 'off' }

interface Answer {
  outcome: string
  error: string | null
  change: { supporters: string[]; missing: string[]; needed: number } | null
}

interface WishAnswer {
  inForce: boolean
  nodes: Answer[]
}

async function expectDone(args: string[]): Promise<CliResult> {
  const result = await runCli(args)
  expect(result, `${args.join(' ')}: ${result.stderr}`).toMatchObject({ code: 0 })
  return result
}

async function expectRefused(args: string[], words: RegExp): Promise<void> {
  const { code, stdout, stderr } = await runCli(args)
  expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^hp-p2p: [^\n]+\n$/)
  expect(stderr).toMatch(words)
}

const dirsOf = (nodes: NodeProcess[]): string[] => nodes.map(({ dir }) => dir)

/** A network that begins with one validator; the first `size` nodes are the validators. */
class Growing {
  size = 1

  constructor(readonly cluster: Cluster) {}

  get validators(): NodeProcess[] {
    return this.cluster.nodes.slice(0, this.size)
  }

  /** Makes observers validators, one after another. */
  async growTo(size: number): Promise<void> {
    const added = this.cluster.nodes.slice(this.size, size)
    await Promise.all(added.map((node) => this.#waitUntilReady(node)))
    for (const { publicKey } of added) {
      await expectDone(['unl', 'add', ...dirsOf(this.validators), publicKey, ...WAIT])
      this.size += 1
    }
    await Promise.all(added.map((node) => node.waitFor('its role', ({ role }) => role === 'validator', PATIENCE_MS)))
    await this.cluster.waitUntil('all to be in sync', () => this.areSynced(), PATIENCE_MS)
  }

  /** Every validator has seen that the observer is in sync: who adds it asks just one of them. */
  async #waitUntilReady({ publicKey }: NodeProcess): Promise<void> {
    await this.cluster.waitUntil(
      'an observer in sync',
      async () => {
        const views = await Promise.all(this.validators.map(({ dir }) => adminRequest(dir, '/v1/unl')))
        return views.every(({ observers }) =>
          observers.some((row) => row.publicKey === publicKey && row.synced === true)
        )
      },
      PATIENCE_MS
    )
  }

  async areSynced(): Promise<boolean> {
    const statuses = await this.cluster.statuses()
    return statuses.every(({ quorum, sync }) => quorum.present >= quorum.needed && sync === 'synced')
  }

  /** Validators are removed from the end; their own operators wish for it as well. */
  async shrinkTo(size: number): Promise<void> {
    while (this.size > size) {
      const last = this.cluster.node(this.size - 1)
      await expectDone(['unl', 'remove', ...dirsOf(this.validators), last.publicKey, ...WAIT])
      this.size -= 1
      await last.waitFor('its role', ({ role }) => role === 'observer', PATIENCE_MS)
    }
  }

  /** kill -9 of all nodes at one time, and all of them again. */
  async restartAll(): Promise<void> {
    const { nodes } = this.cluster
    await Promise.all(nodes.map((node) => node.kill()))
    for (const node of nodes) node.killContract()
    await Promise.all(nodes.map((node) => node.start()))
    await this.cluster.waitUntil('all to be in sync', () => this.areSynced(), PATIENCE_MS)
  }
}

describe('a network that grows and shrinks', () => {
  const name = '1 -> 2 -> 4 -> 7 and back to 1 with inputs all the time, none lost or executed twice'
  it(name, { timeout: TEST_TIMEOUT_MS }, async () => {
    const cluster = await Cluster.create({ nodes: 1, observers: 6, contract: 'obedient.sh', config: CONFIG })
    const network = new Growing(cluster)
    const [first, second] = [cluster.node(0), cluster.node(1)]
    const talkers: Talker[] = []
    const talk = (user: User): Talker => {
      const talker = new Talker(user, `t${talkers.length}`, PAUSE_MS)
      talkers.push(talker)
      return talker
    }
    const rest = async (): Promise<void> => void (await Promise.all(talkers.map((talker) => talker.stop())))
    const connect = async (index: number): Promise<User> => {
      const user = await User.connect([cluster.node(index).userUrl], {
        reconnect: true,
        context: () => cluster.describe()
      })
      cluster.users.push(user)
      return user
    }

    await first.start()
    await cluster.waitUntilReady()
    // Nobody who is not there, and never the last one.
    await expectRefused(['unl', 'add', first.dir, second.publicKey], /is not connected to this node/)
    await expectRefused(['unl', 'remove', first.dir, first.publicKey], /no validator would be left/)

    // Before the inputs begin: many nodes that catch up at once on few cores would take their time.
    await Promise.all(cluster.nodes.slice(1).map((node) => node.start()))
    await cluster.waitUntil('all to be in sync', () => network.areSynced(), PATIENCE_MS)
    const users = [await connect(0), await connect(1)] as const
    // The second user is one of an observer at first, of a validator next, of an observer in the end.
    for (const user of users) talk(user)
    await expectRefused(['unl', 'add', second.dir, second.publicKey], /only the wishes of validators count/)
    await network.growTo(2)
    await network.growTo(4)
    const seven = await runJson<WishAnswer>([
      'config',
      'set',
      ...dirsOf(network.validators),
      'roundtime',
      '700',
      ...WAIT
    ])
    expect(seven.inForce).toBe(true)
    expect((await first.status())?.pace.roundtimeMs).toBe(700)
    await network.growTo(7)

    // A wish of one is on its disk, and everybody is told of it; so is the UNL in force.
    const wished = await runJson<WishAnswer>(['config', 'set', first.dir, 'threshold', '70'])
    expect(wished).toMatchObject({ inForce: false, nodes: [{ outcome: 'pending', change: { needed: 5 } }] })
    await rest()
    await network.restartAll()
    const view = await runJson<ConfigView>(['config', 'ls', first.dir])
    expect(view.pending).toMatchObject([{ wish: { kind: 'set', name: 'threshold', value: 70 }, own: true }])
    for (const node of cluster.nodes) {
      const unl = await node.waitFor('the wish', ({ pendingChanges }) => pendingChanges.length === 1)
      expect(unl).toMatchObject({
        role: 'validator',
        quorum: { validators: 7, needed: 5 },
        pace: { roundtimeMs: 700 }
      })
    }
    for (const user of users) talk(user)
    // Five of seven are enough, and who does not wish for it has it as well.
    await expectDone(['config', 'set', ...dirsOf(cluster.nodes.slice(1, 5)), 'threshold', '70', ...WAIT])
    await Promise.all(
      cluster.nodes.map((node) => node.waitFor('nothing pending', ({ pendingChanges }) => pendingChanges.length === 0))
    )

    await network.shrinkTo(4)
    const back = await runCli(['config', 'set', first.dir, 'threshold', '67'])
    expect(back).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/pending, 1 of 3 needed wish for it; not yet/)
    })
    const taken = await runCli(['config', 'set', first.dir, 'threshold', '70'])
    expect(taken).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/the wish for something else is taken back/)
    })
    await network.shrinkTo(1)

    const answered = talkers.map(({ answered }) => answered.size)
    await cluster.waitUntil('answers after the last change', () =>
      talkers.slice(-2).every((talker, index) => talker.answered.size > (answered.at(index - 2) as number))
    )
    // A quick network has grown and shrunk before there are many.
    await cluster.waitUntil('more than fifty inputs', () => talkers.flatMap(({ sent }) => sent).length > 50)
    await rest()
    for (const { sent, answered: got } of talkers) expect([...got]).toEqual(sent)
    await Promise.all(users.map((user) => user.close()))
    await cluster.waitUntilSettled()
    // The network comes to rest, so that all can end with the same ledger.
    await expectDone(['config', 'set', first.dir, 'roundtime', '3600000', ...WAIT])
    await cluster.waitUntil('equal tips', async () => {
      const lcls = (await cluster.statuses()).map(({ lcl, pace }) => `${lcl} ${pace.roundtimeMs}`)
      return lcls.length === 7 && new Set(lcls).size === 1 && lcls[0]?.endsWith(' 3600000')
    })
    const last = await cluster.statuses()
    expect(last.map(({ role }) => role)).toEqual(['validator', ...Array(6).fill('observer')])
    expect(await cluster.stopAll()).toEqual(Array(7).fill('exit code 0'))

    const chain = await checkOneChain(cluster.nodes)
    for (const { dir } of cluster.nodes) {
      expect(await runJson(['ledger', 'verify', dir])).toMatchObject({ ok: true, lastSeq: last[0]?.seq })
    }
    const sent = talkers.flatMap((talker) => talker.sent)
    expect(sent.length).toBeGreaterThan(50)
    const noted = (chain.state.get('notes') ?? '').split('\n').filter((line) => line !== '')
    expect(noted.sort()).toEqual(sent.sort())
  })
})
