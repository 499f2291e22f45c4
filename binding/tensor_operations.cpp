#include "tensor_operations.h"

#include <ATen/Functions.h>

#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "arguments.h"
#include "engine/error.h"
#include "tensor_handle.h"

namespace hire_snn {
namespace {

/// What an operation is given besides the tensor that it is called on.
using Operand = std::variant<at::Tensor, double, at::ScalarType>;
using Shape = std::vector<std::int64_t>;

/// How an operation computes, and the shape of what it gives.
struct Operation {
  enum class Operands { kNone, kTensorOrNumber, kTwoNumbers, kTwoRows, kDtype };
  Operands operands;
  std::function<at::Tensor(const at::Tensor&, const std::vector<Operand>&)> compute;
  std::function<Shape(const Shape&, const std::vector<Operand>&)> shape;
};

Shape same_shape(const Shape& shape, const std::vector<Operand>&) { return shape; }

Shape per_sample(const Shape& shape, const std::vector<Operand>&) {
  if (shape.empty()) throw CodedError("INVALID_ARGUMENT", "Expected a tensor with a batch dimension");
  for (std::size_t d = 1; d < shape.size(); ++d) {
    if (shape[d] == 0) throw CodedError("INVALID_ARGUMENT", "Expected samples with at least one element");
  }
  return {shape[0]};
}

Shape rows(const Shape& shape, const std::vector<Operand>& range) {
  const double begin = std::get<double>(range[0]);
  const double end = std::get<double>(range[1]);
  if (shape.empty() || !(0 <= begin && begin <= end && end <= static_cast<double>(shape[0]))) {
    throw CodedError("INVALID_ARGUMENT", "Expected rows within 0 .. " +
                                             std::to_string(shape.empty() ? 0 : shape[0]) + " but received " +
                                             std::to_string(begin) + " .. " + std::to_string(end));
  }
  Shape result = shape;
  result[0] = static_cast<std::int64_t>(end) - static_cast<std::int64_t>(begin);
  return result;
}

/// `function(tensor, operand)` with an operand that is a tensor or a number. A number becomes a tensor of the
/// same dtype: libtorch would compute some operations with it in double precision, and the original rounds
/// epsilon and step first.
template <at::Tensor (*function)(const at::Tensor&, const at::Tensor&)>
Operation binary() {
  return {Operation::Operands::kTensorOrNumber,
          [](const at::Tensor& tensor, const std::vector<Operand>& operands) {
            if (const auto* other = std::get_if<at::Tensor>(&operands[0])) return function(tensor, *other);
            return function(tensor, at::full({}, std::get<double>(operands[0]), tensor.options()));
          },
          same_shape};
}

template <typename Function>
Operation unary(Function function) {
  return {Operation::Operands::kNone,
          [function](const at::Tensor& tensor, const std::vector<Operand>&) { return function(tensor); },
          same_shape};
}

at::Tensor add(const at::Tensor& a, const at::Tensor& b) { return at::add(a, b); }
at::Tensor subtract(const at::Tensor& a, const at::Tensor& b) { return at::sub(a, b); }
at::Tensor multiply(const at::Tensor& a, const at::Tensor& b) { return at::mul(a, b); }
at::Tensor divide(const at::Tensor& a, const at::Tensor& b) { return at::div(a, b); }
at::Tensor maximum(const at::Tensor& a, const at::Tensor& b) { return at::maximum(a, b); }
at::Tensor minimum(const at::Tensor& a, const at::Tensor& b) { return at::minimum(a, b); }

const std::map<std::string, Operation>& operations() {
  static const std::map<std::string, Operation> table{
      {"add", binary<&add>()},
      {"subtract", binary<&subtract>()},
      {"multiply", binary<&multiply>()},
      {"divide", binary<&divide>()},
      {"maximum", binary<&maximum>()},
      {"minimum", binary<&minimum>()},
      {"sign", unary([](const at::Tensor& tensor) { return tensor.sign(); })},
      {"abs", unary([](const at::Tensor& tensor) { return tensor.abs(); })},
      {"clamp",
       {Operation::Operands::kTwoNumbers,
        [](const at::Tensor& tensor, const std::vector<Operand>& bounds) {
          return tensor.clamp(std::get<double>(bounds[0]), std::get<double>(bounds[1]));
        },
        same_shape}},
      {"rows",
       {Operation::Operands::kTwoRows,
        [](const at::Tensor& tensor, const std::vector<Operand>& range) {
          const auto begin = static_cast<std::int64_t>(std::get<double>(range[0]));
          const auto end = static_cast<std::int64_t>(std::get<double>(range[1]));
          // A copy: a view would keep the whole tensor in memory behind a handle that accounts for a part.
          return tensor.narrow(0, begin, end - begin).clone();
        },
        rows}},
      {"to",
       {Operation::Operands::kDtype,
        [](const at::Tensor& tensor, const std::vector<Operand>& operands) {
          return tensor.to(std::get<at::ScalarType>(operands[0]), /*non_blocking=*/false, /*copy=*/true);
        },
        same_shape}},
      {"maxPerSample",
       {Operation::Operands::kNone,
        [](const at::Tensor& tensor, const std::vector<Operand>&) { return tensor.flatten(1).amax(1); },
        per_sample}},
      {"minPerSample",
       {Operation::Operands::kNone,
        [](const at::Tensor& tensor, const std::vector<Operand>&) { return tensor.flatten(1).amin(1); },
        per_sample}},
  };
  return table;
}

/// An operand as it is queued: the value of a tensor may not exist yet.
using QueuedOperand = std::variant<std::shared_ptr<TensorSlot>, double, at::ScalarType>;

/// By the time that an operation computes, the tensors before it have their values.
struct Resolve {
  Operand operator()(const std::shared_ptr<TensorSlot>& slot) const { return slot->get(); }
  Operand operator()(double number) const { return number; }
  Operand operator()(at::ScalarType dtype) const { return dtype; }
};

QueuedOperand tensor_operand(const Napi::Value& value, const TensorHandle& self) {
  const TensorHandle& other = TensorHandle::from(value, "the operand");
  if (other.shape() != self.shape() || other.dtype() != self.dtype()) {
    throw CodedError("INVALID_ARGUMENT", "Expected an operand of " + std::string(dtype_name(self.dtype())) +
                                             " " + c10::str(at::IntArrayRef(self.shape())) +
                                             " but received " + dtype_name(other.dtype()) + " " +
                                             c10::str(at::IntArrayRef(other.shape())));
  }
  return other.slot();
}

std::vector<QueuedOperand> queued_operands(const Napi::CallbackInfo& info, const Operation& operation,
                                           const TensorHandle& self) {
  switch (operation.operands) {
    case Operation::Operands::kNone:
      return {};
    case Operation::Operands::kTensorOrNumber:
      if (info[2].IsNumber()) return {number_argument(info[2], "the operand")};
      return {tensor_operand(info[2], self)};
    case Operation::Operands::kTwoNumbers:
      return {number_argument(info[2], "the lower bound"), number_argument(info[3], "the upper bound")};
    case Operation::Operands::kTwoRows:
      return {static_cast<double>(integer_argument(info[2], "the first row")),
              static_cast<double>(integer_argument(info[3], "the end of the rows"))};
    case Operation::Operands::kDtype:
      return {dtype_from_name(string_argument(info[2], "dtype"))};
  }
  return {};
}

}  // namespace

Napi::Value operate(const Napi::CallbackInfo& info) {
  const std::string name = string_argument(info[0], "the operation");
  const auto found = operations().find(name);
  if (found == operations().end()) throw CodedError("INVALID_ARGUMENT", "There is no operation " + name);
  const Operation& operation = found->second;
  const TensorHandle& self = TensorHandle::from(info[1], "the tensor");
  auto operands = queued_operands(info, operation, self);

  // Shape and dtype are known before any value is: they depend on numbers and names alone.
  std::vector<Operand> known;
  at::ScalarType dtype = self.dtype();
  for (const auto& operand : operands) {
    if (const auto* number = std::get_if<double>(&operand)) known.emplace_back(*number);
    if (const auto* name = std::get_if<at::ScalarType>(&operand)) dtype = *name;
  }
  auto result = std::make_shared<TensorSlot>();
  Napi::Object handle = TensorHandle::wrap(info.Env(), result, operation.shape(self.shape(), known), dtype);
  Environment::of(info.Env())
      .enqueue([&operation, input = self.slot(), operands = std::move(operands), result] {
        try {
          std::vector<Operand> values;
          for (const auto& operand : operands) values.push_back(std::visit(Resolve{}, operand));
          result->set(operation.compute(input->get(), values));
        } catch (...) {
          result->fail(std::current_exception());
        }
      });
  return handle;
}

}  // namespace hire_snn
