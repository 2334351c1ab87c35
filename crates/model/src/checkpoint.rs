//! Weights and specs on disk: safetensors and YAML; reading them never executes code.

use std::collections::HashMap;
use std::path::Path;

use dayvec_core::{MODEL_FORMAT_VERSION, ModelSpec};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::error::ModelError;

/// A named array on its way to a file.
pub struct NamedArray<'a> {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    kind: Dtype,
    bytes: &'a [u8],
}

impl<'a> NamedArray<'a> {
    /// 32-bit floats.
    #[must_use]
    pub fn f32(name: &str, values: &'a [f32]) -> Self {
        let bytes = bytemuck::cast_slice(values);
        Self { name: name.to_owned(), shape: vec![values.len()], kind: Dtype::F32, bytes }
    }

    /// The same numbers, laid out as `shape`.
    #[must_use]
    pub fn shaped(self, shape: &[i64]) -> Self {
        Self { shape: shape.iter().map(|&n| n as usize).collect(), ..self }
    }

    /// Unsigned 32-bit numbers.
    #[must_use]
    pub fn u32(name: &str, values: &'a [u32]) -> Self {
        let bytes = bytemuck::cast_slice(values);
        Self { name: name.to_owned(), shape: vec![values.len()], kind: Dtype::U32, bytes }
    }
}

/// Number types that a checkpoint holds.
pub trait Element: bytemuck::AnyBitPattern + bytemuck::NoUninit {
    /// Its type in the file.
    const KIND: Dtype;
    /// Whether a checkpoint may hold this number.
    fn is_sound(self) -> bool;
}

impl Element for f32 {
    const KIND: Dtype = Dtype::F32;
    fn is_sound(self) -> bool {
        self.is_finite()
    }
}

impl Element for u32 {
    const KIND: Dtype = Dtype::U32;
    fn is_sound(self) -> bool {
        true
    }
}

/// The arrays of a file: number type and little-endian bytes by name.
pub type Arrays = HashMap<String, (Dtype, Vec<u8>)>;

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ModelError {
    move |source| ModelError::Io { action, path: path.to_owned(), source }
}

pub(crate) fn corrupt(path: &Path, reason: impl ToString) -> ModelError {
    ModelError::Corrupt { path: path.to_owned(), reason: reason.to_string() }
}

/// Write arrays to a new file and wait until they are on the disk.
///
/// # Errors
/// When the file cannot be written.
pub fn write_arrays(
    path: &Path,
    arrays: &[NamedArray<'_>],
    metadata: HashMap<String, String>,
) -> Result<(), ModelError> {
    let mut views = Vec::with_capacity(arrays.len());
    for array in arrays {
        let view =
            TensorView::new(array.kind, array.shape.clone(), array.bytes).map_err(|e| corrupt(path, e))?;
        views.push((array.name.as_str(), view));
    }
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| corrupt(path, e))?;
    write_synced(path, &bytes)
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    use std::io::Write;
    let mut file = std::fs::File::create(path).map_err(io("write", path))?;
    file.write_all(bytes).map_err(io("write", path))?;
    file.sync_all().map_err(io("write", path))
}

/// Read the arrays of a file and its metadata.
///
/// # Errors
/// When the file cannot be read, or is damaged.
pub fn read_arrays(path: &Path) -> Result<(Arrays, HashMap<String, String>), ModelError> {
    let bytes = std::fs::read(path).map_err(io("read", path))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| corrupt(path, e))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| corrupt(path, e))?;
    let arrays =
        tensors.iter().map(|(name, view)| (name.to_owned(), (view.dtype(), view.data().to_vec()))).collect();
    Ok((arrays, header.metadata().clone().unwrap_or_default()))
}

/// Take one array of a known length out of a file's arrays.
///
/// # Errors
/// When it is missing, of another type or length, or holds a number that is not finite.
pub fn take<T: Element>(
    arrays: &mut Arrays,
    path: &Path,
    name: &str,
    len: usize,
) -> Result<Vec<T>, ModelError> {
    let (kind, bytes) = arrays.remove(name).ok_or_else(|| corrupt(path, format!("`{name}` is missing")))?;
    if kind != T::KIND {
        return Err(corrupt(path, format!("`{name}` has type {kind:?}, expected {:?}", T::KIND)));
    }
    let values: Vec<T> = bytemuck::pod_collect_to_vec(&bytes);
    if values.len() != len {
        return Err(corrupt(path, format!("`{name}` has {} values, but the spec says {len}", values.len())));
    }
    if let Some(bad) = values.iter().position(|value| !value.is_sound()) {
        return Err(corrupt(path, format!("`{name}` has a value that is not finite at index {bad}")));
    }
    Ok(values)
}

/// Write a spec as YAML.
///
/// # Errors
/// When the file cannot be written.
pub fn save_spec(spec: &ModelSpec, path: &Path) -> Result<(), ModelError> {
    let text = serde_yaml::to_string(spec).map_err(|e| corrupt(path, e))?;
    write_synced(path, text.as_bytes())
}

/// Read a spec.
///
/// # Errors
/// When the file cannot be read, is not a spec, or has another format version than this build reads.
pub fn load_spec(path: &Path) -> Result<ModelSpec, ModelError> {
    #[derive(serde::Deserialize)]
    struct Version {
        format_version: u32,
    }
    let text = std::fs::read_to_string(path).map_err(io("read", path))?;
    let found = serde_yaml::from_str::<Version>(&text).map_err(|e| corrupt(path, e))?.format_version;
    if found != MODEL_FORMAT_VERSION {
        let supported = MODEL_FORMAT_VERSION;
        return Err(ModelError::FormatVersion { path: path.to_owned(), found, supported });
    }
    serde_yaml::from_str(&text).map_err(|e| corrupt(path, e))
}
