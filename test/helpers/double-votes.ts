import { expect } from 'vitest'
import type { Cluster } from './cluster.js'

const WRONG = /signed two|left out|faulty/

/** No validator was seen to contradict itself, or to say what no honest one says. */
export async function expectNoDoubleVotes(cluster: Cluster): Promise<void> {
  for (const status of await cluster.statuses()) expect(status.warnings.join()).not.toContain('signed two')
  for (const node of cluster.nodes) expect(node.log().filter(({ msg }) => WRONG.test(String(msg)))).toEqual([])
}
