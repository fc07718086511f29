/* What LiteRT (once TensorFlow Lite) and an operator of another library tell each other: the part
 * of its C interface that is used here, laid out as tensorflow/lite/core/c/common.h lays it out. An
 * operator needs no header of LiteRT to be compiled, and nothing of it to be linked. */
#ifndef BCQ_LITERT_INTERFACE_H_
#define BCQ_LITERT_INTERFACE_H_

#include <cstddef>
#include <cstdint>

namespace bcq::litert {

enum Status : int { kOk = 0, kError = 1 };
enum Type : int { kFloat32 = 1, kInt32 = 2, kUint8 = 3, kInt64 = 4 };
enum Memory : int { kConstant = 1 };     /* others: of an interpreter's arena */
enum Code : int32_t { kDelegated = 51 }; /* in place of a built-in operator's number */
enum Flags : int64_t { kAllowsDynamicShapes = 1 };

struct Context;
struct Delegate;

struct IntArray {
  int size;
  int data[1]; /* [size] */
};

struct Tensor {
  Type type;
  void* data;
  IntArray* dims;
  struct {
    float scale;
    int32_t zero_point;
  } old_quantization;
  Memory memory;
  size_t bytes;
  const void* allocation;
  const char* name;
  Delegate* delegate;
  int handle;
  bool is_stale;
  bool is_variable;
  struct {
    int type;
    void* parameters;
  } quantization;
  void* sparsity;
  const IntArray* dims_signature;
};

struct Node {
  IntArray* inputs; /* indices of the context's tensors */
  IntArray* outputs;
  IntArray* intermediates;
  IntArray* temporaries;
  void* user_data; /* what init() gave */
  void* builtin_data;
  const void* custom_options;
  int custom_options_size;
  Delegate* delegate;
  bool has_side_effect;
};

/* An operator. */
struct Registration {
  void* (*init)(Context*, const char* options, size_t size);
  void (*free)(Context*, void* user_data);
  Status (*prepare)(Context*, Node*);
  Status (*invoke)(Context*, Node*);
  const char* (*profiling_string)(const Context*, const Node*);
  int32_t builtin_code;
  const char* custom_name;
  int version;
  void* registration_external;
  void* (*async_kernel)(Context*, Node*);
  uint64_t inplace_operator;
};

/* The options of an operator that stands for nodes of a delegate. */
struct DelegateParams {
  Delegate* delegate;
  IntArray* nodes;
  IntArray* inputs;
  IntArray* outputs;
};

struct Context {
  size_t tensors_size;
  Status (*get_execution_plan)(Context*, IntArray** plan);
  Tensor* tensors;
  void* implementation;
  Status (*resize_tensor)(Context*, Tensor*, IntArray* dims);
  void (*report_error)(Context*, const char* format, ...);
  Status (*add_tensors)(Context*, int count, int* first);
  Status (*get_node_and_registration)(Context*, int index, Node**, Registration**);
  Status (*replace_nodes)(Context*, Registration, const IntArray* nodes, Delegate*);
  int recommended_threads; /* -1: none */
  /* more that is not used */
};

struct Delegate {
  void* data;
  Status (*prepare)(Context*, Delegate*);
  Status (*copy_from_buffer)(Context*, Delegate*, int handle, Tensor*);
  Status (*copy_to_buffer)(Context*, Delegate*, int handle, Tensor*);
  void (*free_buffer)(Context*, Delegate*, int* handle);
  int64_t flags;
  void* opaque_builder;
};

}  // namespace bcq::litert

#endif
