import { describe, expect, it } from 'vitest'
import { BatchBook } from '../../../../src/node/forwarding/batches.js'
import { Composer } from '../../../../src/node/forwarding/composer.js'
import { ForwardInbox } from '../../../../src/node/forwarding/inbox.js'
import { UserProofs } from '../../../../src/node/user-proofs.js'
import { PendingInputs } from '../../../../src/users/index.js'
import { log, makeSigner, makeTip, NETWORK, signInputs, TestUser, textsOf } from './helpers.js'

const validator = makeSigner().publicKey
const observer = makeSigner()

async function makeComposer(own: string, forwarded: string, inputBytes: number): Promise<() => string> {
  const pending = new PendingInputs()
  const inbox = new ForwardInbox({
    book: new BatchBook(NETWORK, new UserProofs(NETWORK)),
    log,
    proposes: () => true,
    tip: () => makeTip(10),
    inputBytes: () => inputBytes,
    fetch: () => Promise.reject(new Error('gone')),
    onInputs: () => {},
    onBadBatch: () => {}
  })
  new TestUser(validator).send(pending, own)
  const batch = signInputs(observer, new TestUser(observer.publicKey), [forwarded])
  expect(await inbox.receive(observer.publicKey, { batch })).toMatchObject({ verdict: 'taken' })
  const composer = new Composer({ pending, inbox, users: () => [], inputBytes: () => inputBytes })
  return () => {
    const { inputs, forwards = [] } = composer.compose(11)
    return [...inputs.map(({ content }) => Buffer.from(content).toString()), ...textsOf(forwards)].join(' ')
  }
}

describe('a proposal', () => {
  it('has own and forwarded inputs when there is room for both', async () => {
    const compose = await makeComposer('own', 'forwarded', 12)
    expect([compose(), compose()]).toEqual(['own forwarded', 'own forwarded'])
  })

  it('has one and then the other when there is not', async () => {
    const compose = await makeComposer('own', 'forwarded', 11)
    expect([compose(), compose(), compose()]).toEqual(['own', 'forwarded', 'own'])
  })
})
