import fs from 'node:fs'
import path from 'node:path'

const FILES = 100
/** Above what goes through the journal, so that files are prepared whole too. */
const LARGE_BYTES = 9 * 1024 * 1024

function random(seed: number): () => number {
  let x = (seed * 2654435761 + 12345) >>> 0
  return () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    return x / 2 ** 32
  }
}

/** Changes files as a contract might: rewrites, patches, grows, cuts, moves, removes, links. The same for one seed. */
export function changeFiles(dir: string, seed: number): undefined {
  const next = random(seed)
  const pick = (count: number) => Math.floor(next() * count)
  for (let i = 0; i < FILES; i++) {
    const file = path.join(dir, `d${i % 5}`, `f${i}`)
    const what = pick(10)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    if (what < 4) fs.writeFileSync(file, Buffer.alloc(pick(12_000), seed + i), { mode: 0o644 })
    else if (what === 4) fs.rmSync(file, { force: true })
    else if (what === 5 && fs.existsSync(file)) fs.truncateSync(file, pick(100_000))
    else if (what === 6 && fs.existsSync(file)) fs.renameSync(file, path.join(dir, `d${i % 5}`, `f${pick(FILES)}`))
    else if (what === 7) fs.appendFileSync(file, `more ${seed}`)
  }
  fs.rmSync(path.join(dir, `d${pick(5)}`), { recursive: true, force: true })
  fs.rmSync(path.join(dir, 'link'), { force: true })
  fs.symlinkSync(`d${pick(5)}/f${seed}`, path.join(dir, 'link'))
  if (seed % 3 === 0) {
    fs.writeFileSync(path.join(dir, `large${seed % 2}`), Buffer.alloc(LARGE_BYTES, seed))
  } else if (seed % 3 === 1) {
    const fd = fs.openSync(path.join(dir, 'patched'), fs.constants.O_RDWR | fs.constants.O_CREAT)
    fs.writeSync(fd, Buffer.alloc(5000, seed), 0, 5000, pick(600_000))
    fs.closeSync(fd)
  }
}
