/** The field vocabulary of the formats, under the short names that the tables of this folder use. */
export {
  addressField as address,
  type BitField as Field,
  bitField as field,
  type Decoded,
  decodeAll,
  encodeInto,
  getField,
  type Layout,
  setField,
} from '../../../formats/index.ts';
