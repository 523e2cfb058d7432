;; A task of `lovage:task/handler` whose input's first letter says what to do.
(module
  (import "lovage:task/job-context@0.1.0" "log" (func $log (param i32 i32 i32)))
  (import "lovage:task/job-context@0.1.0" "progress" (func $progress (param i32 f64 i32 i32)))
  (import "lovage:task/job-context@0.1.0" "cancelled" (func $cancelled (result i32)))
  (import "lovage:task/jobs@0.1.0" "submit" (func $submit (param i32 i32)))
  (import "lovage:task/checkpoint@0.1.0" "save" (func $save (param i32 i32 i32 i32 i32)))
  (import "lovage:task/checkpoint@0.1.0" "load" (func $load (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 512) "text/plain")
  (data (i32.const 528) "failed")
  (data (i32.const 544) "{\"code\":7}")
  (data (i32.const 560) "hello")
  (data (i32.const 576) "half")
  (data (i32.const 592) "a/b\0d\0aX: y")
  (data (i32.const 608) "test-task")
  ;; describe's answer: a list of one description, nearly all of it zeros.
  (data (i32.const 1024) "\10\04\00\00\01\00\00\00")
  (data (i32.const 1040) "\60\02\00\00\09\00\00\00")
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (block $enough
      (loop $grow
        (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        (br $grow)))
    (local.get $at))
  (func (export "lovage:task/handler@0.1.0#describe") (result i32) (i32.const 1024))
  ;; result::err(case(failure)); the answer lies at 256
  (func $fail (param $case i32) (result i32)
    (i32.store8 (i32.const 256) (i32.const 1))
    (i32.store8 (i32.const 264) (local.get $case))
    (i32.store (i32.const 272) (i32.const 528))
    (i32.store (i32.const 276) (i32.const 6))
    (i32.store8 (i32.const 280) (i32.const 1))
    (i32.store (i32.const 284) (i32.const 544))
    (i32.store (i32.const 288) (i32.const 10))
    (i64.store (i32.const 296) (i64.const 1500))
    (i32.const 256))
  (func $give (param $body i32) (param $size i32) (param $type i32) (param $type-size i32) (result i32)
    (i32.store8 (i32.const 256) (i32.const 0))
    (i32.store (i32.const 264) (local.get $body))
    (i32.store (i32.const 268) (local.get $size))
    (i32.store (i32.const 272) (local.get $type))
    (i32.store (i32.const 276) (local.get $type-size))
    (i32.const 256))
  (func (export "lovage:task/handler@0.1.0#handle")
    (param $id i32) (param $id-size i32) (param $task i32) (param $task-size i32)
    (param $queue i32) (param $queue-size i32) (param $attempt i32) (param $attempts-max i32)
    (param $deadline i64) (param $has-type i32) (param $type i32) (param $type-size i32)
    (param $headers i32) (param $headers-count i32) (param $input i32) (param $size i32)
    (result i32)
    (local $do i32)
    (local.set $do (i32.load8_u (local.get $input)))
    (if (i32.eq (local.get $do) (i32.const 114)) (then (return (call $fail (i32.const 0))))) ;; r: retry
    (if (i32.eq (local.get $do) (i32.const 97)) (then (return (call $fail (i32.const 1)))))  ;; a: retry-after
    (if (i32.eq (local.get $do) (i32.const 112)) (then (return (call $fail (i32.const 2))))) ;; p: permanent
    (if (i32.eq (local.get $do) (i32.const 98)) (then (return (call $fail (i32.const 3)))))  ;; b: bad-input
    (if (i32.eq (local.get $do) (i32.const 115)) (then (return (call $fail (i32.const 4))))) ;; s: snooze
    (if (i32.eq (local.get $do) (i32.const 99)) ;; c: submit a child, and give the error's case as a letter
      (then
        (call $submit (i32.const 2048) (i32.const 3072))
        (i32.store8 (i32.const 640) (i32.add (i32.const 65)
          (i32.mul (i32.load8_u (i32.const 3072)) (i32.add (i32.const 8) (i32.load8_u (i32.const 3076))))))
        (return (call $give (i32.const 640) (i32.const 1) (i32.const 512) (i32.const 10)))))
    (if (i32.eq (local.get $do) (i32.const 107)) ;; k: keep the input under its own first 9 bytes, then give what is kept
      (then
        (call $save (local.get $input) (i32.const 9) (local.get $input) (local.get $size) (i32.const 3072))
        (call $load (local.get $input) (i32.const 9) (i32.const 3072))
        (if (i32.load8_u (i32.const 3072)) (then (return (call $fail (i32.const 2)))))
        (if (i32.eqz (i32.load8_u (i32.const 3076))) (then (return (call $fail (i32.const 0)))))
        (return (call $give (i32.load (i32.const 3080)) (i32.load (i32.const 3084)) (i32.const 512) (i32.const 10)))))
    (if (i32.eq (local.get $do) (i32.const 108)) ;; l: log and progress
      (then
        (call $log (i32.const 2) (i32.const 560) (i32.const 5))
        (call $progress (i32.const 1) (f64.const 0.5) (i32.const 576) (i32.const 4))))
    (if (i32.eq (local.get $do) (i32.const 119)) ;; w: wait until cancelled
      (then (block $done (loop $again (br_if $done (call $cancelled)) (br $again)))))
    (if (i32.eq (local.get $do) (i32.const 120)) ;; x: log for ever
      (then (loop $again (call $log (i32.const 4) (i32.const 560) (i32.const 5)) (br $again))))
    (if (i32.eq (local.get $do) (i32.const 121)) ;; y: one log line of 3 MiB
      (then
        (drop (memory.grow (i32.const 64)))
        (call $log (i32.const 4) (i32.const 0) (i32.const 3145728))))
    (if (i32.eq (local.get $do) (i32.const 122)) ;; z: a result of 3 MiB
      (then
        (drop (memory.grow (i32.const 64)))
        (return (call $give (i32.const 0) (i32.const 3145728) (i32.const 512) (i32.const 10)))))
    (if (i32.eq (local.get $do) (i32.const 110)) ;; n: a media type with a line break
      (then (return (call $give (local.get $input) (local.get $size) (i32.const 592) (i32.const 9)))))
    (if (i32.eq (local.get $do) (i32.const 116)) ;; t: the task's name
      (then (return (call $give (local.get $task) (local.get $task-size) (i32.const 512) (i32.const 10)))))
    (call $give (local.get $input) (local.get $size) (i32.const 512) (i32.const 10))))
