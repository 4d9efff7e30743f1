import { decodeMessage, encodeMessage, message, streamMessage } from 'protons-runtime'
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface NplMessage {
  networkId: Uint8Array<ArrayBuffer>
  seq: number
  lcl: Uint8Array<ArrayBuffer>
  ordinal: number
  data: Uint8Array<ArrayBuffer>
  end: boolean
}

export namespace NplMessage {
  let _codec: Codec<NplMessage>

  export const codec = (): Codec<NplMessage> => {
    if (_codec == null) {
      _codec = message<NplMessage>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.networkId != null && obj.networkId.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.networkId)
        }

        if ((obj.seq != null && obj.seq !== 0)) {
          w.uint32(16)
          w.uint64Number(obj.seq)
        }

        if ((obj.lcl != null && obj.lcl.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.lcl)
        }

        if ((obj.ordinal != null && obj.ordinal !== 0)) {
          w.uint32(32)
          w.uint32(obj.ordinal)
        }

        if ((obj.data != null && obj.data.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.data)
        }

        if ((obj.end != null && obj.end !== false)) {
          w.uint32(48)
          w.bool(obj.end)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          networkId: uint8ArrayAlloc(0),
          seq: 0,
          lcl: uint8ArrayAlloc(0),
          ordinal: 0,
          data: uint8ArrayAlloc(0),
          end: false
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.networkId = reader.bytes()
              break
            }
            case 2: {
              obj.seq = reader.uint64Number()
              break
            }
            case 3: {
              obj.lcl = reader.bytes()
              break
            }
            case 4: {
              obj.ordinal = reader.uint32()
              break
            }
            case 5: {
              obj.data = reader.bytes()
              break
            }
            case 6: {
              obj.end = reader.bool()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.networkId`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.seq`,
                value: reader.uint64Number()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.lcl`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.ordinal`,
                value: reader.uint32()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.data`,
                value: reader.bytes()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.end`,
                value: reader.bool()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface NplMessageNetworkIdFieldEvent {
    field: '$.networkId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface NplMessageSeqFieldEvent {
    field: '$.seq'
    value: number
  }

  export interface NplMessageLclFieldEvent {
    field: '$.lcl'
    value: Uint8Array<ArrayBuffer>
  }

  export interface NplMessageOrdinalFieldEvent {
    field: '$.ordinal'
    value: number
  }

  export interface NplMessageDataFieldEvent {
    field: '$.data'
    value: Uint8Array<ArrayBuffer>
  }

  export interface NplMessageEndFieldEvent {
    field: '$.end'
    value: boolean
  }

  export function encode (obj: Partial<NplMessage>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, NplMessage.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<NplMessage>): NplMessage {
    return decodeMessage(buf, NplMessage.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<NplMessage>): Generator<NplMessageNetworkIdFieldEvent | NplMessageSeqFieldEvent | NplMessageLclFieldEvent | NplMessageOrdinalFieldEvent | NplMessageDataFieldEvent | NplMessageEndFieldEvent> {
    return streamMessage(buf, NplMessage.codec(), opts)
  }
}
