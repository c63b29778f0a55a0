//! A thin safe layer over SQLite's C interface, on a connection that sqlx owns: [`Native`] and [`Statement`].
//!
//! sqlx hops to a worker thread for every statement, which costs more than most statements themselves, so loops over rows run here. Not here:
//! opening, transactions and closing, which stay with sqlx.

#![expect(
    unsafe_code,
    reason = "the only file that calls SQLite directly; every call states why it is sound"
)]

use std::{
    ffi::{CStr, c_char, c_int},
    marker::PhantomData,
    ptr::{self, NonNull},
    slice, str,
};

use ditto_sync_core::column::ColumnValue;
use libsqlite3_sys as ffi;
use sqlx::{SqliteConnection, sqlite::LockedSqliteHandle};

mod error;
pub(crate) use self::error::{ConstraintKind, NativeError};

/// A connection, taken from its worker thread for as long as this lives. Keep it short: whoever uses the connection through sqlx waits.
pub(crate) struct Native<'c> {
    handle: NonNull<ffi::sqlite3>,
    /// Keeps the worker thread away from the handle.
    _locked: LockedSqliteHandle<'c>,
}

// SAFETY: a SQLite handle may move between threads as long as one thread at a time uses it (sqlx refuses a library built without threads). The
// lock guard keeps the worker thread out, and `Native` is not `Sync`, so no two threads reach the handle.
unsafe impl Send for Native<'_> {}

/// A prepared statement. It borrows its [`Native`], so it is finalized before the handle goes back to sqlx, which panics at close over
/// statements left behind. It is not `Send`: the compiler refuses to hold one over an await in a task.
pub(crate) struct Statement<'n> {
    raw: NonNull<ffi::sqlite3_stmt>,
    handle: NonNull<ffi::sqlite3>,
    borrowed: PhantomData<&'n Native<'n>>,
}

impl<'c> Native<'c> {
    /// Takes `connection` from its worker thread.
    ///
    /// Cancellation safe.
    pub(crate) async fn lock(connection: &'c mut SqliteConnection) -> Result<Self, NativeError> {
        let mut locked = connection.lock_handle().await.map_err(NativeError::Connection)?;
        let handle = locked.as_raw_handle();
        Ok(Self {
            handle,
            _locked: locked,
        })
    }

    /// Prepares the one statement in `sql`.
    pub(crate) fn prepare(&self, sql: &str) -> Result<Statement<'_>, NativeError> {
        let (statement, rest) = self.prepare_first(sql)?;
        match statement {
            Some(statement) if rest.trim().is_empty() => Ok(statement),
            _ => Err(NativeError::NotOneStatement),
        }
    }

    /// Runs the statements in `sql`, one after the other; rows are thrown away. Stops at the first error.
    pub(crate) fn execute(&self, sql: &str) -> Result<(), NativeError> {
        let mut rest = sql;
        while !rest.is_empty() {
            let (statement, tail) = self.prepare_first(rest)?;
            if let Some(mut statement) = statement {
                statement.run()?;
            }
            rest = tail;
        }
        Ok(())
    }

    /// Whether triggers fire on this connection, from the next statement on. It belongs to the connection, not to the transaction or the
    /// file: a rollback does not undo it.
    pub(crate) fn set_triggers_enabled(&self, enabled: bool) -> Result<(), NativeError> {
        let mut now: c_int = 0;
        // SAFETY: the handle is open and ours while `self` lives. This verb takes an int and a pointer to an int, which outlives the call.
        let code = unsafe {
            ffi::sqlite3_db_config(
                self.handle.as_ptr(),
                ffi::SQLITE_DBCONFIG_ENABLE_TRIGGER,
                c_int::from(enabled),
                &raw mut now,
            )
        };
        check(self.handle, code)?;
        assert_eq!(now != 0, enabled, "SQLite reports the state that was just set");
        Ok(())
    }

    /// Whether the transaction has broken foreign keys that COMMIT would refuse (<https://sqlite.org/c3ref/c_dbstatus_options.html>).
    pub(crate) fn has_unresolved_foreign_keys(&self) -> bool {
        self.status(ffi::SQLITE_DBSTATUS_DEFERRED_FKS) != 0
    }

    /// How many pages this connection has written to the write-ahead log since it was opened; it wraps around.
    pub(crate) fn pages_written(&self) -> u32 {
        self.status(ffi::SQLITE_DBSTATUS_CACHE_WRITE).cast_unsigned()
    }

    fn status(&self, verb: c_int) -> c_int {
        let (mut current, mut high): (c_int, c_int) = (0, 0);
        // SAFETY: the handle is open and ours while `self` lives, and both pointers outlive the call.
        let code =
            unsafe { ffi::sqlite3_db_status(self.handle.as_ptr(), verb, &raw mut current, &raw mut high, 0) };
        assert_eq!(
            code,
            ffi::SQLITE_OK,
            "the verbs in use are known to every SQLite since 3.8.0"
        );
        current
    }

    /// Whether the main database can only be read, because it was opened so or because the file system says so.
    pub(crate) fn is_read_only(&self) -> bool {
        // SAFETY: the handle is open and ours while `self` lives; the name is a literal.
        unsafe { ffi::sqlite3_db_readonly(self.handle.as_ptr(), c"main".as_ptr()) == 1 }
    }

    /// How many rows the last INSERT, UPDATE or DELETE changed itself, without triggers and foreign key actions.
    pub(crate) fn changes(&self) -> i64 {
        // SAFETY: the handle is open and ours while `self` lives.
        unsafe { ffi::sqlite3_changes64(self.handle.as_ptr()) }
    }

    /// The first statement of `sql`, unless it is blank or a comment, and what follows it.
    fn prepare_first<'s>(&self, sql: &'s str) -> Result<(Option<Statement<'_>>, &'s str), NativeError> {
        let length = c_int::try_from(sql.len()).map_err(|_| NativeError::Sqlite {
            code: ffi::SQLITE_TOOBIG,
            message: "statement too long".to_owned(),
        })?;
        let start = sql.as_ptr().cast::<c_char>();
        let (mut raw, mut tail) = (ptr::null_mut(), ptr::null());
        // SAFETY: the handle is open and ours while `self` lives; SQLite reads at most `length` bytes from `start`, and both out-pointers outlive the call.
        let code = unsafe {
            ffi::sqlite3_prepare_v2(self.handle.as_ptr(), start, length, &raw mut raw, &raw mut tail)
        };
        check(self.handle, code)?;
        // After success `tail` points into `sql`, or one past its end.
        let used = (tail as usize).saturating_sub(start as usize).min(sql.len());
        let statement = NonNull::new(raw).map(|raw| Statement {
            raw,
            handle: self.handle,
            borrowed: PhantomData,
        });
        Ok((statement, sql.get(used..).unwrap_or_default()))
    }
}

impl Statement<'_> {
    /// Sets parameter `index`, counted from 1, to a copy of `value`. It stays set over [`reset`](Self::reset).
    pub(crate) fn bind(&mut self, index: usize, value: &ColumnValue) -> Result<(), NativeError> {
        match value {
            ColumnValue::Null => self.bind_null(index),
            ColumnValue::Integer(value) => self.bind_i64(index, *value),
            ColumnValue::Real(value) => self.bind_f64(index, *value),
            ColumnValue::Text(value) => self.bind_text(index, value),
            ColumnValue::Blob(value) => self.bind_blob(index, value),
        }
    }

    /// Sets parameters 1, 2, .. to copies of `values`.
    pub(crate) fn bind_all<'v>(
        &mut self,
        values: impl IntoIterator<Item = &'v ColumnValue>,
    ) -> Result<(), NativeError> {
        for (position, value) in values.into_iter().enumerate() {
            self.bind(position + 1, value)?;
        }
        Ok(())
    }

    /// Sets parameter `index` to NULL.
    pub(crate) fn bind_null(&mut self, index: usize) -> Result<(), NativeError> {
        // SAFETY: the statement is live until drop.
        let code = unsafe { ffi::sqlite3_bind_null(self.raw.as_ptr(), parameter(index)) };
        check(self.handle, code)
    }

    /// Sets parameter `index` to an integer.
    pub(crate) fn bind_i64(&mut self, index: usize, value: i64) -> Result<(), NativeError> {
        // SAFETY: the statement is live until drop.
        let code = unsafe { ffi::sqlite3_bind_int64(self.raw.as_ptr(), parameter(index), value) };
        check(self.handle, code)
    }

    /// Sets parameter `index` to a real. SQLite stores NaN as NULL.
    pub(crate) fn bind_f64(&mut self, index: usize, value: f64) -> Result<(), NativeError> {
        // SAFETY: the statement is live until drop.
        let code = unsafe { ffi::sqlite3_bind_double(self.raw.as_ptr(), parameter(index), value) };
        check(self.handle, code)
    }

    /// Sets parameter `index` to a copy of `value`, which may contain NUL.
    pub(crate) fn bind_text(&mut self, index: usize, value: &str) -> Result<(), NativeError> {
        // SAFETY: SQLite copies the text before the call returns.
        unsafe { self.bind_text_with(index, value, ffi::SQLITE_TRANSIENT()) }
    }

    /// Sets parameter `index` to a copy of `value`.
    pub(crate) fn bind_blob(&mut self, index: usize, value: &[u8]) -> Result<(), NativeError> {
        // SAFETY: SQLite copies the bytes before the call returns.
        unsafe { self.bind_blob_with(index, value, ffi::SQLITE_TRANSIENT()) }
    }

    /// Sets parameters 1, 2, .. to copies of `count` columns of the row that `other` is on, from `first` on.
    pub(crate) fn bind_columns(
        &mut self,
        other: &Statement<'_>,
        (first, count): (usize, usize),
    ) -> Result<(), NativeError> {
        for at in 0..count {
            // SAFETY: both statements are live until drop, and a wrong index reads as NULL. The value stays valid until `other` moves on, which needs
            // `&mut`; SQLite allows such a value to be bound, and copies it before the call returns.
            let code = unsafe {
                let value = ffi::sqlite3_column_value(other.raw.as_ptr(), column(first + at));
                ffi::sqlite3_bind_value(self.raw.as_ptr(), parameter(at + 1), value)
            };
            check(self.handle, code)?;
        }
        Ok(())
    }

    /// Goes to the next row; `false` after the last one.
    pub(crate) fn step(&mut self) -> Result<bool, NativeError> {
        // SAFETY: the statement is live until drop.
        match unsafe { ffi::sqlite3_step(self.raw.as_ptr()) } {
            ffi::SQLITE_ROW => Ok(true),
            ffi::SQLITE_DONE => Ok(false),
            code => Err(error(self.handle, code)),
        }
    }

    /// Runs to the end, throwing rows away, and resets, also after an error. Parameters stay set.
    pub(crate) fn run(&mut self) -> Result<(), NativeError> {
        let outcome = loop {
            match self.step() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.reset();
        outcome
    }

    /// Sets parameters 1, 2, .. to `values` without copying them, runs to the end, resets and clears the parameters. The form for loops.
    pub(crate) fn run_with(&mut self, values: &[&ColumnValue]) -> Result<(), NativeError> {
        let bound = self.bind_borrowed(1, values.iter().copied());
        self.run_bound(bound)
    }

    /// The same with the columns of a key and those behind it.
    pub(crate) fn run_with_row(
        &mut self,
        key: &[ColumnValue],
        columns: &[ColumnValue],
    ) -> Result<(), NativeError> {
        let bound = self
            .bind_borrowed(1, key.iter())
            .and_then(|()| self.bind_borrowed(1 + key.len(), columns.iter()));
        self.run_bound(bound)
    }

    /// Ends the current run, so that the statement can run again. Parameters stay set.
    pub(crate) fn reset(&mut self) {
        // SAFETY: the statement is live until drop. The code returned repeats the error of the last step, which was reported then.
        unsafe { ffi::sqlite3_reset(self.raw.as_ptr()) };
    }

    /// How many columns a row has.
    pub(crate) fn column_count(&self) -> usize {
        // SAFETY: the statement is live until drop.
        let count = unsafe { ffi::sqlite3_column_count(self.raw.as_ptr()) };
        usize::try_from(count).expect("a count is not negative")
    }

    /// Column `index` of the current row, counted from 0.
    pub(crate) fn column(&self, index: usize) -> Result<ColumnValue, NativeError> {
        Ok(match self.column_type(index) {
            ffi::SQLITE_NULL => ColumnValue::Null,
            ffi::SQLITE_INTEGER => ColumnValue::Integer(self.column_i64(index)),
            ffi::SQLITE_FLOAT => {
                // SAFETY: the statement is live until drop, and `column_type` has checked the index.
                ColumnValue::Real(unsafe { ffi::sqlite3_column_double(self.raw.as_ptr(), column(index)) })
            }
            ffi::SQLITE_TEXT => ColumnValue::Text(self.text_at(index)?.to_owned()),
            _ => ColumnValue::Blob(self.blob_at(index)?.to_owned()),
        })
    }

    /// Whether column `index` of the current row is NULL.
    pub(crate) fn is_null(&self, index: usize) -> bool {
        self.column_type(index) == ffi::SQLITE_NULL
    }

    /// Column `index` of the current row, as SQLite casts it to an integer: NULL is 0.
    pub(crate) fn column_i64(&self, index: usize) -> i64 {
        // SAFETY: the statement is live until drop; a wrong index reads as NULL.
        unsafe { ffi::sqlite3_column_int64(self.raw.as_ptr(), column(index)) }
    }

    /// Column `index` of the current row, which must hold text.
    pub(crate) fn column_text(&self, index: usize) -> Result<&str, NativeError> {
        let expected = "text";
        if self.column_type(index) != ffi::SQLITE_TEXT {
            return Err(NativeError::WrongType {
                column: index,
                expected,
            });
        }
        self.text_at(index)
    }

    /// The text in column `index` of the current row, which is one.
    fn text_at(&self, index: usize) -> Result<&str, NativeError> {
        // SAFETY: the statement is live and on a row. The pointer stays valid until the next step, reset or finalize, which need `&mut self`, or
        // a conversion of this column to another type, which no method here does: text is only ever read by this one.
        let bytes = unsafe {
            let text = ffi::sqlite3_column_text(self.raw.as_ptr(), column(index));
            self.bytes_at(index, text)?
        };
        str::from_utf8(bytes).map_err(|_| NativeError::InvalidText { column: index })
    }

    /// Column `index` of the current row, which must hold a blob.
    pub(crate) fn column_blob(&self, index: usize) -> Result<&[u8], NativeError> {
        let expected = "a blob";
        if self.column_type(index) != ffi::SQLITE_BLOB {
            return Err(NativeError::WrongType {
                column: index,
                expected,
            });
        }
        self.blob_at(index)
    }

    /// The blob in column `index` of the current row, which is one.
    fn blob_at(&self, index: usize) -> Result<&[u8], NativeError> {
        // SAFETY: as in `text_at`; a blob is only ever read by this method.
        unsafe {
            let blob = ffi::sqlite3_column_blob(self.raw.as_ptr(), column(index));
            self.bytes_at(index, blob.cast())
        }
    }

    fn column_type(&self, index: usize) -> c_int {
        assert!(index < self.column_count(), "the statement has a column {index}");
        // SAFETY: the statement is live until drop, and the index was checked.
        unsafe { ffi::sqlite3_column_type(self.raw.as_ptr(), column(index)) }
    }

    /// The bytes of the text or blob that SQLite returned for column `index`.
    ///
    /// # Safety
    /// `start` was just returned for this column, by the accessor of its own type.
    unsafe fn bytes_at(&self, index: usize, start: *const u8) -> Result<&[u8], NativeError> {
        // SAFETY: the statement is live until drop.
        let length = unsafe { ffi::sqlite3_column_bytes(self.raw.as_ptr(), column(index)) };
        let length = usize::try_from(length).expect("a length is not negative");
        if length == 0 {
            return Ok(&[]);
        }
        if start.is_null() {
            return Err(error(self.handle, ffi::SQLITE_NOMEM));
        }
        // SAFETY: SQLite holds `length` bytes at `start`; for how long, the callers say.
        Ok(unsafe { slice::from_raw_parts(start, length) })
    }

    /// Runs with borrowed parameters, if they could be set, and clears them.
    fn run_bound(&mut self, bound: Result<(), NativeError>) -> Result<(), NativeError> {
        let outcome = bound.and_then(|()| self.run());
        self.clear_bindings();
        outcome
    }

    /// Sets parameters from `first` on to values that SQLite does not copy. The caller clears them before the values go away.
    fn bind_borrowed<'v>(
        &mut self,
        first: usize,
        values: impl Iterator<Item = &'v ColumnValue>,
    ) -> Result<(), NativeError> {
        for (position, value) in values.enumerate() {
            let index = first + position;
            match value {
                // SAFETY: the callers, `run_with` and `run_with_row`, clear the parameters before the borrow of the values ends, and nothing in between panics: `values` goes over a slice.
                ColumnValue::Text(text) => unsafe {
                    self.bind_text_with(index, text, ffi::SQLITE_STATIC())?;
                },
                // SAFETY: as above.
                ColumnValue::Blob(blob) => unsafe {
                    self.bind_blob_with(index, blob, ffi::SQLITE_STATIC())?;
                },
                other => self.bind(index, other)?,
            }
        }
        Ok(())
    }

    fn clear_bindings(&mut self) {
        // SAFETY: the statement is live until drop. The call cannot fail.
        unsafe { ffi::sqlite3_clear_bindings(self.raw.as_ptr()) };
    }

    /// # Safety
    /// With `SQLITE_STATIC`, `value` outlives the binding.
    unsafe fn bind_text_with(
        &mut self,
        index: usize,
        value: &str,
        lifetime: ffi::sqlite3_destructor_type,
    ) -> Result<(), NativeError> {
        let encoding = u8::try_from(ffi::SQLITE_UTF8).expect("SQLITE_UTF8 is 1");
        // SAFETY: SQLite reads `len` bytes, NUL or not; the caller answers for the lifetime. A slice's pointer is never null.
        let code = unsafe {
            ffi::sqlite3_bind_text64(
                self.raw.as_ptr(),
                parameter(index),
                value.as_ptr().cast(),
                value.len() as u64,
                lifetime,
                encoding,
            )
        };
        check(self.handle, code)
    }

    /// # Safety
    /// With `SQLITE_STATIC`, `value` outlives the binding.
    unsafe fn bind_blob_with(
        &mut self,
        index: usize,
        value: &[u8],
        lifetime: ffi::sqlite3_destructor_type,
    ) -> Result<(), NativeError> {
        // SAFETY: as in `bind_text_with`. The pointer of an empty slice is not null either, so it does not become NULL.
        let code = unsafe {
            ffi::sqlite3_bind_blob64(
                self.raw.as_ptr(),
                parameter(index),
                value.as_ptr().cast(),
                value.len() as u64,
                lifetime,
            )
        };
        check(self.handle, code)
    }
}

impl Drop for Statement<'_> {
    fn drop(&mut self) {
        // SAFETY: finalized exactly once, while the handle is still ours. The code returned repeats the error of the last step.
        unsafe { ffi::sqlite3_finalize(self.raw.as_ptr()) };
    }
}

fn check(handle: NonNull<ffi::sqlite3>, code: c_int) -> Result<(), NativeError> {
    if code == ffi::SQLITE_OK {
        Ok(())
    } else {
        Err(error(handle, code))
    }
}

/// The error behind `code`, in SQLite's words while it still has them.
fn error(handle: NonNull<ffi::sqlite3>, code: c_int) -> NativeError {
    // SAFETY: the handle is open: every caller holds a `Native` or borrows one.
    let extended = unsafe { ffi::sqlite3_extended_errcode(handle.as_ptr()) };
    let same = extended & 0xff == code & 0xff;
    // SAFETY: both return a NUL-terminated string that lives until the next call on this handle; it is copied at once.
    let message = unsafe {
        let message = if same {
            ffi::sqlite3_errmsg(handle.as_ptr())
        } else {
            ffi::sqlite3_errstr(code)
        };
        CStr::from_ptr(message).to_string_lossy().into_owned()
    };
    NativeError::Sqlite {
        code: if same { extended } else { code },
        message,
    }
}

fn parameter(index: usize) -> c_int {
    c_int::try_from(index).expect("SQLite allows at most 32766 parameters")
}

fn column(index: usize) -> c_int {
    c_int::try_from(index).expect("SQLite allows at most 32767 columns")
}

#[cfg(test)]
mod tests;
