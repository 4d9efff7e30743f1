import fs from 'node:fs'
import { StateError } from './errors.js'
import { Pacer } from './pacer.js'
import { isTrackedDir, type Tracked, type TrackedDir, trackFile } from './scanner.js'
import { type DirNode, sameNode } from './tree.js'

/**
 * What a scan would return after `dir` was made equal to `node` by us: looks only at the entries that are not those of
 * `last`. `nowMs`: before the first write; undefined when nobody else writes there.
 */
export async function adoptTree(
  dir: string,
  node: DirNode,
  last: TrackedDir | undefined,
  nowMs: number | undefined,
  pacer = new Pacer()
): Promise<TrackedDir> {
  if (last !== undefined && sameNode(last.node, node)) return last
  const children = new Map<string, Tracked>()
  for (const [name, child] of node.children) {
    const known = last?.children.get(name)
    if (known !== undefined && sameNode(known.node, child)) {
      children.set(name, known)
      continue
    }
    if (pacer.due()) await pacer.pause()
    const file = `${dir}/${name}`
    if (child.kind === 'dir') {
      const lastDir = known !== undefined && isTrackedDir(known) ? known : undefined
      children.set(name, await adoptTree(file, child, lastDir, nowMs, pacer))
      continue
    }
    const stat = fs.lstatSync(file, { bigint: true, throwIfNoEntry: false })
    if (stat === undefined) throw new StateError('changing', `${JSON.stringify(name)} vanished while it was written`)
    children.set(
      name,
      nowMs === undefined ? { ...trackFile(child, stat, 0), racy: false } : trackFile(child, stat, nowMs)
    )
  }
  return { node, children }
}
