import * as blakeHash from '@napi-rs/blake-hash'
import * as datastoreLevel from 'datastore-level'
import * as interfaceDatastore from 'interface-datastore'
import * as itPipe from 'it-pipe'
import * as protonsRuntime from 'protons-runtime'
import * as uint8arraylist from 'uint8arraylist'
import * as uint8arraysAlloc from 'uint8arrays/alloc'
import * as uint8arraysBuffer from 'uint8arrays/with-array-buffer'

const as = (namespace: object): unknown => ({ ...namespace, __esModule: true })

/** Packages that hold no clock, no disk and no network: the simulated nodes use them as they are. */
export const PACKAGES: ReadonlyMap<string, unknown> = new Map([
  ['@napi-rs/blake-hash', as(blakeHash)],
  ['datastore-level', as(datastoreLevel)],
  ['interface-datastore', as(interfaceDatastore)],
  ['it-pipe', as(itPipe)],
  ['protons-runtime', as(protonsRuntime)],
  ['uint8arraylist', as(uint8arraylist)],
  ['uint8arrays/alloc', as(uint8arraysAlloc)],
  ['uint8arrays/with-array-buffer', as(uint8arraysBuffer)]
])
