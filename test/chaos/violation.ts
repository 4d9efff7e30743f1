/** What the network must never do was seen. */
export class Violation extends Error {
  override readonly name = 'Violation'
}
