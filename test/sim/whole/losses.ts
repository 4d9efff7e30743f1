import { KEYS } from '../../../src/ledger/keys.js'
import type { SimFiles } from './sim-files.js'
import type { Stage } from './stage.js'
import { DIR, HIST_PATH, JOURNAL_PATH, LEDGERS_PATH, STATE_PATH, type WholeNode } from './whole-node.js'

type Entry = { path: string; kind: 'file' | 'dir' | 'link'; mode: number; bytes: Buffer; target: string }

/** What a backup holds of a node: all but its journal, and what notes that. */
interface Backup {
  entries: Entry[]
  ledgers: Map<string, Uint8Array>
  seq: number
}

const SNAPSHOT_PATH = `${HIST_PATH}/state`

/** What is lost on a disk while its node is down, and backups that are put back. */
export class Losses {
  readonly #stage: Stage
  readonly #backups = new Map<WholeNode, Backup>()

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** The node has stopped in order: its operator may copy its files. */
  backUp(node: WholeNode): void {
    const { random, checks } = this.#stage
    if (!random.chance(0.5)) return
    const entries = entriesBelow(node.machine.files, DIR).filter(
      ({ path }) => !path.startsWith(JOURNAL_PATH) && path !== `${HIST_PATH}/delivered`
    )
    const ledgers = node.machine.level(LEDGERS_PATH).copy()
    ledgers.delete(KEYS.meta('journal').toString())
    this.#backups.set(node, { entries, ledgers, seq: checks.newest })
    this.#stage.note(`the files of ${node.name} are copied`)
  }

  lose(node: WholeNode): void {
    const { random, marks } = this.#stage
    const { files } = node.machine
    const backup = this.#backups.get(node)
    // What is lost is lost for good.
    files.syncAll()
    node.machine.level(LEDGERS_PATH).syncAll()
    const what = random.pick([
      'journal',
      'ledgers',
      'state',
      'snapshot',
      ...(backup === undefined ? [] : ['all', 'all'])
    ])
    this.#stage.note(
      `${node.name} loses ${what === 'all' ? `what is newer than ledger ${backup?.seq}` : `its ${what}`}`
    )
    if (what === 'all' && backup !== undefined) {
      this.#putBack(node, backup)
      marks.add('restored from a backup')
      return
    }
    if (what === 'journal') for (const path of journalFiles(files)) files.remove(path)
    if (what === 'ledgers') node.machine.level(LEDGERS_PATH).replace(new Map())
    if (what === 'state') removeBelow(files, STATE_PATH)
    if (what === 'snapshot') removeBelow(files, SNAPSHOT_PATH)
    files.syncAll()
    if (what === 'journal') marks.add('journal lost')
    else marks.add(what === 'ledgers' ? 'ledgers lost' : 'state lost')
  }

  #putBack(node: WholeNode, { entries, ledgers }: Backup): void {
    const { files } = node.machine
    removeBelow(files, DIR)
    for (const { path, kind, mode, bytes, target } of entries) {
      const inode = files.add(path, kind, mode, target)
      if (bytes.length > 0) files.write(inode, 0, bytes)
    }
    files.syncAll()
    node.machine.level(LEDGERS_PATH).replace(ledgers)
    this.#stage.checks.forgetDelivered(node)
  }
}

function journalFiles(files: SimFiles): string[] {
  const names = [...files.dir(HIST_PATH, 'scandir').entries.keys()]
  return names.filter((name) => name.startsWith('journal')).map((name) => `${HIST_PATH}/${name}`)
}

/** All that is below a directory, each after the directory that it is in. */
function entriesBelow(files: SimFiles, dir: string): Entry[] {
  const found: Entry[] = []
  for (const name of files.find(dir)?.entries.keys() ?? []) {
    const path = `${dir}/${name}`
    const { kind, mode, data, target } = files.get(path, 'open')
    found.push({ path, kind, mode, bytes: Buffer.from(data.view), target })
    if (kind === 'dir') found.push(...entriesBelow(files, path))
  }
  return found
}

function removeBelow(files: SimFiles, dir: string): void {
  for (const { path } of entriesBelow(files, dir).reverse()) files.remove(path)
}
