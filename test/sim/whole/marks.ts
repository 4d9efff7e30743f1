/** What runs of whole nodes should reach somewhere. */
export const WHOLE_MARKS = [
  'closed in a later attempt',
  'ledgers fetched',
  'proposals fetched',
  'outputs fetched',
  'state copied',
  'result of an own execution not agreed',
  'void result',
  'failed result',
  'killed',
  'power cut',
  'all nodes at once without power',
  'crash with calls to the disk under way',
  'stopped in order',
  'journal gone or damaged',
  'validator silent',
  'ledger dropped at start',
  'state restored at start',
  'disk full',
  'clock stepped',
  'input forwarded by an observer',
  'input refused or lost',
  'output delivered',
  'ledgers pruned',
  'went on from a later ledger',
  'one validator',
  'healed with a quorum alone'
] as const

export type WholeMark = (typeof WHOLE_MARKS)[number]
