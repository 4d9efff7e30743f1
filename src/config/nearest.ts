/** Levenshtein distance: single-character edits that turn one word into the other. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(substitution, (previous[j] as number) + 1, (row[j - 1] as number) + 1))
    }
    previous = row
  }
  return previous[b.length] as number
}

/** The known word that a mistyped one most likely means, or null when none is close. */
export function nearestWord(word: string, known: readonly string[]): string | null {
  const plain = word.slice(0, 64).toLowerCase().replace(/[-_ ]/g, '')
  let best: { name: string; distance: number } | null = null
  for (const name of known) {
    const distance = editDistance(plain, name)
    if (best === null || distance < best.distance) best = { name, distance }
  }
  return best !== null && best.distance <= Math.max(1, Math.floor(plain.length / 3)) ? best.name : null
}
