//! Columns to Parquet and back. Components are stored plain and uncompressed: they are noise to a compressor, and a
//! reader gets them at the speed of memory.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float16Type, Float32Type, TimestampMillisecondType};
use arrow_array::{
    Array as _, ArrayRef, FixedSizeListArray, Float16Array, Float32Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use dayvec_core::{EmbeddingBlock, IdColumn};
use half::f16;
use half::slice::HalfFloatSliceExt as _;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::{ElementType, ItemEmbeddings};

/// Rows of a row group: enough that its overhead vanishes, few enough that a reader can stream.
const ROWS_PER_GROUP: usize = 65_536;
const UTC: &str = "UTC";

/// Lay out users as a Parquet file that carries `about` as its key-value metadata.
pub(crate) fn write_users(
    rows: EmbeddingBlock,
    element: ElementType,
    about: &[(&str, &str)],
) -> Result<Bytes, ParquetError> {
    let EmbeddingBlock { ids, dim, values, last_action_at, computed_at } = rows;
    let mut fields = fields("user_id", element, dim);
    fields.extend(["last_action_at", "computed_at"].map(|name| Field::new(name, timestamp_type(), false)));
    let values = Values::new(values, element, dim);
    write(Schema::new(fields), ids.len(), about, |from, to| {
        vec![
            id_array(&ids, from, to),
            values.slice(from, to),
            timestamp_array(&last_action_at[from..to]),
            timestamp_array(&computed_at[from..to]),
        ]
    })
}

/// Lay out items as a Parquet file that carries `about` as its key-value metadata.
pub(crate) fn write_items(
    rows: ItemEmbeddings,
    element: ElementType,
    about: &[(&str, &str)],
) -> Result<Bytes, ParquetError> {
    let ItemEmbeddings { ids, dim, values } = rows;
    let schema = Schema::new(fields("item_id", element, dim));
    let values = Values::new(values, element, dim);
    write(schema, ids.len(), about, |from, to| vec![id_array(&ids, from, to), values.slice(from, to)])
}

fn write(
    schema: Schema,
    n_rows: usize,
    about: &[(&str, &str)],
    columns: impl Fn(usize, usize) -> Vec<ArrayRef>,
) -> Result<Bytes, ParquetError> {
    let schema: SchemaRef = Arc::new(schema);
    let about =
        about.iter().map(|&(key, value)| KeyValue::new(format!("dayvec.{key}"), value.to_owned())).collect();
    let embedding = ColumnPath::from(vec!["embedding".into(), "list".into(), "element".into()]);
    let id = ColumnPath::from(schema.field(0).name().as_str());
    let properties = WriterProperties::builder()
        .set_key_value_metadata(Some(about))
        .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
        .set_column_dictionary_enabled(id, false)
        .set_column_dictionary_enabled(embedding.clone(), false)
        .set_column_statistics_enabled(embedding, EnabledStatistics::None)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
    for from in (0..n_rows).step_by(ROWS_PER_GROUP) {
        let columns = columns(from, (from + ROWS_PER_GROUP).min(n_rows));
        writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
    }
    Ok(writer.into_inner()?.into())
}

fn fields(id: &str, element: ElementType, dim: usize) -> Vec<Field> {
    vec![Field::new(id, DataType::Utf8, false), Field::new("embedding", embedding_type(element, dim), false)]
}

fn element_field(element: ElementType) -> Field {
    let data_type = match element {
        ElementType::F32 => DataType::Float32,
        ElementType::F16 => DataType::Float16,
    };
    Field::new("element", data_type, false)
}

fn embedding_type(element: ElementType, dim: usize) -> DataType {
    DataType::FixedSizeList(Arc::new(element_field(element)), dim as i32)
}

fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into()))
}

fn id_array(ids: &IdColumn, from: usize, to: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values((from..to).map(|row_idx| ids.get(row_idx))))
}

fn timestamp_array(seconds: &[i64]) -> ArrayRef {
    let milliseconds = seconds.iter().map(|&seconds| seconds.saturating_mul(1_000));
    Arc::new(TimestampMillisecondArray::from_iter_values(milliseconds).with_timezone(UTC))
}

/// All components of a part; a row group's array is a slice of this buffer.
struct Values {
    components: ArrayRef,
    element: ElementType,
    dim: usize,
}

impl Values {
    fn new(values: Vec<f32>, element: ElementType, dim: usize) -> Self {
        let components: ArrayRef = match element {
            ElementType::F32 => Arc::new(Float32Array::new(ScalarBuffer::from(values), None)),
            ElementType::F16 => {
                let mut narrow = vec![f16::ZERO; values.len()];
                narrow.convert_from_f32_slice(&values);
                Arc::new(Float16Array::new(ScalarBuffer::from(Buffer::from_vec(narrow)), None))
            }
        };
        Self { components, element, dim }
    }

    fn slice(&self, from: usize, to: usize) -> ArrayRef {
        let components = self.components.slice(from * self.dim, (to - from) * self.dim);
        let field = Arc::new(element_field(self.element));
        Arc::new(FixedSizeListArray::new(field, self.dim as i32, components, None))
    }
}

/// Unpack users; an error is a sentence on what is wrong with the file.
pub(crate) fn read_users(bytes: Bytes) -> Result<EmbeddingBlock, String> {
    let mut rows = EmbeddingBlock::default();
    for_each_batch(bytes, "user_id", true, |dim, batch| {
        rows.dim = dim;
        if let Some(batch) = batch {
            extend_ids(&mut rows.ids, batch);
            extend_values(&mut rows.values, batch);
            extend_timestamps(&mut rows.last_action_at, batch, 2);
            extend_timestamps(&mut rows.computed_at, batch, 3);
        }
    })?;
    Ok(rows)
}

/// Unpack items; an error is a sentence on what is wrong with the file.
pub(crate) fn read_items(bytes: Bytes) -> Result<ItemEmbeddings, String> {
    let mut rows = ItemEmbeddings::default();
    for_each_batch(bytes, "item_id", false, |dim, batch| {
        rows.dim = dim;
        if let Some(batch) = batch {
            extend_ids(&mut rows.ids, batch);
            extend_values(&mut rows.values, batch);
        }
    })?;
    Ok(rows)
}

/// Calls `take` with the width once without a batch, then with each batch, whose columns are as documented.
fn for_each_batch(
    bytes: Bytes,
    id: &str,
    has_times: bool,
    mut take: impl FnMut(usize, Option<&RecordBatch>),
) -> Result<(), String> {
    let text = |error: &dyn core::fmt::Display| error.to_string();
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|error| text(&error))?;
    let dim = check_schema(builder.schema(), id, has_times)?;
    take(dim, None);
    for batch in builder.with_batch_size(ROWS_PER_GROUP).build().map_err(|error| text(&error))? {
        let batch = batch.map_err(|error| text(&error))?;
        if let Some(column) = batch.columns().iter().position(|column| column.null_count() > 0) {
            return Err(format!("column `{}` has nulls", batch.schema().field(column).name()));
        }
        take(dim, Some(&batch));
    }
    Ok(())
}

/// Width of the embeddings of a file whose columns are as documented.
fn check_schema(schema: &Schema, id: &str, has_times: bool) -> Result<usize, String> {
    let dim = match schema.field_with_name("embedding").map(Field::data_type) {
        Ok(DataType::FixedSizeList(_, dim)) => *dim as usize,
        _ => return Err("it has no column `embedding` of fixed-size lists".into()),
    };
    let columns: Vec<_> =
        schema.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
    let time = timestamp_type();
    let fits = [ElementType::F32, ElementType::F16].into_iter().any(|element| {
        let embedding = embedding_type(element, dim);
        let mut expected = vec![(id, &DataType::Utf8), ("embedding", &embedding)];
        if has_times {
            expected.extend([("last_action_at", &time), ("computed_at", &time)]);
        }
        expected == columns
    });
    if fits {
        Ok(dim)
    } else {
        Err(format!("its columns are {columns:?}, not those of docs/snapshot-format.md"))
    }
}

fn extend_ids(ids: &mut IdColumn, batch: &RecordBatch) {
    batch.column(0).as_string::<i32>().iter().flatten().for_each(|id| ids.push(id));
}

fn extend_values(values: &mut Vec<f32>, batch: &RecordBatch) {
    let lists = batch.column(1).as_fixed_size_list();
    let width = lists.value_length() as usize;
    let components = lists.values().slice(lists.value_offset_at(0), lists.len() * width);
    if let Some(components) = components.as_primitive_opt::<Float32Type>() {
        values.extend_from_slice(components.values());
    } else {
        let narrow = components.as_primitive::<Float16Type>().values();
        let start = values.len();
        values.resize(start + narrow.len(), 0.0);
        narrow.convert_to_f32_slice(&mut values[start..]);
    }
}

fn extend_timestamps(seconds: &mut Vec<i64>, batch: &RecordBatch, column: usize) {
    let milliseconds = batch.column(column).as_primitive::<TimestampMillisecondType>().values();
    seconds.extend(milliseconds.iter().map(|milliseconds| milliseconds.div_euclid(1_000)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(n: usize, dim: usize) -> EmbeddingBlock {
        let mut rows = EmbeddingBlock::new(dim);
        for i in 0..n {
            let row: Vec<f32> = (0..dim).map(|d| ((i * dim + d) as f32 * 0.37).sin()).collect();
            rows.push(&format!("användare {i}"), &row, -5 + i as i64, 1_323_475_200);
        }
        rows
    }

    #[test]
    fn rows_come_back_bit_for_bit() {
        for n in [0, 1, 100] {
            let rows = users(n, 3);
            let bytes = write_users(rows.clone(), ElementType::F32, &[]).unwrap();
            assert_eq!(read_users(bytes.clone()).unwrap(), rows, "{n} rows");
            assert_eq!(
                write_users(rows, ElementType::F32, &[]).unwrap(),
                bytes,
                "equal rows make equal bytes"
            );
        }
        let odd = EmbeddingBlock { values: vec![f32::NAN, -0.0, f32::MIN_POSITIVE / 2.0], ..users(1, 3) };
        let again = read_users(write_users(odd.clone(), ElementType::F32, &[]).unwrap()).unwrap();
        let bits = |rows: &EmbeddingBlock| rows.values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&again), bits(&odd));
    }

    #[test]
    fn rows_beyond_a_row_group_come_back() {
        let rows = users(ROWS_PER_GROUP + 10, 2);
        let bytes = write_users(rows.clone(), ElementType::F32, &[]).unwrap();
        assert_eq!(read_users(bytes).unwrap(), rows);
    }

    #[test]
    fn halves_are_rounded_once() {
        let rows = users(50, 4);
        let once = read_users(write_users(rows.clone(), ElementType::F16, &[]).unwrap()).unwrap();
        for (wide, narrow) in rows.values.iter().zip(&once.values) {
            assert_eq!(*narrow, f16::from_f32(*wide).to_f32());
        }
        let twice = read_users(write_users(once.clone(), ElementType::F16, &[]).unwrap()).unwrap();
        assert_eq!(twice, once, "a carried row stays as it is");
    }

    #[test]
    fn items_come_back_and_are_not_users() {
        let rows = ItemEmbeddings {
            ids: ["x", "y"].into_iter().collect(),
            dim: 2,
            values: vec![1.0, 2.0, 3.0, 4.0],
        };
        let bytes = write_items(rows.clone(), ElementType::F32, &[("snapshot_id", "s")]).unwrap();
        assert_eq!(read_items(bytes.clone()).unwrap(), rows);
        assert!(read_users(bytes).unwrap_err().contains("not those of docs/snapshot-format.md"));
        assert!(read_items(Bytes::from_static(b"PAR1 not really")).is_err());
    }
}
