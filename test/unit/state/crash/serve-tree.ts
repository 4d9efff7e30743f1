import { chunkOfNode, ROOT_LEVEL } from '../../../../src/state/chunks.js'
import type { DirNode, FetchChunks } from '../../../../src/state/index.js'
import { BlockSource } from '../../../../src/state/source.js'
import { encodeRootChunk, findNode } from '../../../../src/state/tree.js'

/** A source that reads its chunks out of a directory which stays as it is. */
export function serveTree(dir: string, tree: DirNode, root: string): FetchChunks {
  return async (wants) => {
    const source = new BlockSource(dir)
    const chunks: (Uint8Array | undefined)[] = []
    for (const want of wants) {
      const node = findNode(tree, want.path)
      if (want.level === ROOT_LEVEL) chunks.push(want.hash === root ? encodeRootChunk(tree) : undefined)
      else if (node?.kind === 'file' && want.level === 0) {
        const bytes = await source.read(want.path, node, want.index)
        chunks.push(bytes === undefined ? undefined : Buffer.from(bytes))
      } else chunks.push(node === undefined ? undefined : chunkOfNode(node, want))
    }
    source.close()
    return { source: 'directory', chunks }
  }
}
