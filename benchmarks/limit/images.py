"""The convolutional network with every trick.

Activations lie in memory as (height, width, channels, images), in chunks of images that fit the cache. A row of windows is
copied once for every row of the kernel; then the pixels under a kernel follow each other in memory, so the windows of a
row overlap without a copy, and each is a matrix with long rows for BLAS. The copy is made again for the gradient of the
weights, which costs less than to keep it.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from benchmarks.limit.parts import Parameters
from benchmarks.workload import Trainer, in_phases, numpy_draw

CHUNK, STRIDE, SIDE = 128, 2, 28
EPS, MOMENTUM = np.float32(1e-5), np.float32(0.1)


def empty(*shape):
    return np.empty(shape, np.float32)


class Convolution:
    """One convolution with the ReLU after it, for several chunks of images, whose outputs are all kept.

    `weight` and `dweight` are (outputs, kernel * kernel * inputs), with the kernel's columns first, then its rows.
    """

    def __init__(self, layer, side, chunks, images, weight, dweight):
        self.inputs, self.outputs, self.kernel, padding = layer
        self.weight, self.dweight, self.images = weight, dweight, images
        padded = side + 2 * padding
        self.side = out = (padded - self.kernel) // STRIDE + 1
        self.padded = [np.zeros((padded, padded, self.inputs, images), np.float32) for _ in range(chunks)]
        self.input = [array[padding : padding + side, padding : padding + side] for array in self.padded]
        self.output = [empty(out, out, self.outputs, images) for _ in range(chunks)]
        self.doutput = [empty(out, out, self.outputs, images) for _ in range(chunks)]
        # (row of windows, column of the image, row of the kernel, channel, image)
        shape = out, padded, self.kernel, self.inputs, images
        row, column, channel, image = self.padded[0].strides
        strides = STRIDE * row, column, row, channel, image
        self.overlapping = [as_strided(array, shape, strides, writeable=False) for array in self.padded]
        self.lowered = empty(*shape)
        line, column, _, channel, image = self.lowered.strides
        windows = out, out, self.kernel * self.kernel * self.inputs, images
        self.windows = as_strided(self.lowered, windows, (line, STRIDE * column, channel, image), writeable=False)
        self.dweights = empty(out, out, *weight.shape)
        self.dlowered, self.scratch = empty(*shape), empty(out, out, self.kernel * self.inputs, images)
        self.dpadded = empty(*self.padded[0].shape)
        self.dinput = self.dpadded[padding : padding + side, padding : padding + side]
        self.zeros, self.ones = np.zeros(self.output[0].shape, np.float32), np.ones(images, np.float32)
        self.active = np.empty(self.output[0].shape, bool)

    def forward(self, chunk):
        np.copyto(self.lowered, self.overlapping[chunk])
        return np.matmul(self.weight, self.windows, out=self.output[chunk])

    def relu_backward(self, chunk, output, doutput):
        """Keeps of `doutput` what belongs to positive outputs."""
        np.greater(output, self.zeros, out=self.active)
        np.multiply(doutput, self.active, out=self.doutput[chunk])

    def weight_backward(self, chunk, lowered):
        """Adds to the gradient of the weights; `lowered`: the windows of this chunk are still there."""
        if not lowered:
            np.copyto(self.lowered, self.overlapping[chunk])
        np.matmul(self.doutput[chunk], self.windows.swapaxes(2, 3), out=self.dweights)
        self.dweight += self.dweights.sum((0, 1))

    def input_backward(self, chunk):
        """The gradient of the input, in a buffer that all chunks share."""
        steps, width = STRIDE * self.side, self.kernel * self.inputs
        dlowered, dpadded = self.dlowered, self.dpadded
        columns = dlowered.reshape(self.side, -1, width, self.images)
        columns[:, steps:] = 0
        dpadded[steps:] = 0
        for offset in range(self.kernel):  # a column of the kernel reaches every second column of the image
            part = columns[:, offset : offset + steps : STRIDE]
            weight = self.weight[:, offset * width : (offset + 1) * width]
            if offset < STRIDE:
                np.matmul(weight.T, self.doutput[chunk], out=part)
            else:
                part += np.matmul(weight.T, self.doutput[chunk], out=self.scratch)
        for offset in range(self.kernel):
            part = dpadded[offset : offset + steps : STRIDE]
            if offset < STRIDE:
                part[...] = dlowered[:, :, offset]
            else:
                part += dlowered[:, :, offset]
        return self.dinput

    def channel_sums(self, array):
        """Sums over pixels and images: (side, side, outputs, images) -> (outputs,)."""
        return array.reshape(-1, self.images).dot(self.ones).reshape(-1, self.outputs).sum(0)

    def channel_products(self, a, b):
        """Sums of a * b over pixels and images."""
        return np.vecdot(a, b).reshape(-1, self.outputs).sum(0)


class Head:
    """The mean over all pixels, a linear layer and cross entropy; images are columns."""

    def __init__(self, weight, bias, dweight, dbias, images, batch):
        self.weight, self.bias, self.dweight, self.dbias = weight, bias[:, None], dweight, dbias
        self.everyone, self.share = np.arange(images), np.float32(1 / batch)

    def forward(self, h, targets):
        """The sum of the losses of a chunk, with what its backward pass needs."""
        pooled = h.mean((0, 1))
        logits = self.weight @ pooled
        logits += self.bias
        logits -= np.maximum.reduce(logits, 0)
        probabilities = np.exp(logits)
        totals = np.add.reduce(probabilities, 0)
        loss = np.add.reduce(np.log(totals) - logits[targets, self.everyone])
        probabilities /= totals
        return loss, (pooled, probabilities, targets)

    def backward(self, pooled, dlogits, targets, pixels):
        """Adds to the gradients; returns that of each pixel, the same for all."""
        dlogits[targets, self.everyone] -= 1
        dlogits *= self.share
        self.dweight += dlogits @ pooled.T
        self.dbias += dlogits.sum(1)
        return self.weight.T @ dlogits * np.float32(1 / pixels)


def network(problem):
    """Four convolutions, without or with batch norm, and the head."""
    return (with_batch_norm if problem.batch_norm else without_batch_norm)(problem)


def parts(problem, chunks):
    """Parameters, convolutions, the other parameters of every convolution with their gradients, and the head."""
    *convolutions, W, b = problem.parameters
    arrays = [columns_first(array) if array.ndim == 4 else array for array in convolutions]
    parameters = Parameters([*arrays, W, b], problem.learning_rate)
    images, side, layers, others = min(CHUNK, problem.batch), SIDE, [], []
    per_layer = len(convolutions) // len(problem.layers)
    for number, layer in enumerate(problem.layers):
        first, last = number * per_layer, (number + 1) * per_layer
        weight, *rest = parameters.values[first:last]
        dweight, *drest = parameters.gradients[first:last]
        layers.append(Convolution(layer, side, chunks, images, weight, dweight))
        others.append((rest, drest))
        side = layers[-1].side
    head = Head(*parameters.values[-2:], *parameters.gradients[-2:], images, problem.batch)
    return parameters, layers, others, head


def columns_first(weight):
    """(outputs, inputs, rows, columns) -> (outputs, columns * rows * inputs)."""
    return np.ascontiguousarray(weight.transpose(0, 3, 2, 1)).reshape(len(weight), -1)


def fetch(problem, indices, target):
    """Copies the images of a chunk to their place, images last; returns their labels."""
    images = problem.inputs.reshape(-1, SIDE * SIDE).take(indices, 0)
    np.copyto(target[:, :, 0], images.T.reshape(SIDE, SIDE, -1))
    return problem.targets.take(indices)


def without_batch_norm(problem):
    """A chunk runs forward and backward before the next one starts, so that all share buffers that stay in the cache."""
    parameters, layers, others, head = parts(problem, chunks=1)
    biases, dbiases = zip(*((rest[0][:, None], drest[0]) for rest, drest in others))
    starts = range(0, problem.batch, CHUNK)

    def step(indices):
        parameters.flat_gradient[:] = 0
        total = 0
        for start in starts:
            targets = fetch(problem, indices[start : start + CHUNK], layers[0].input[0])
            for number, layer in enumerate(layers):
                h = layer.forward(0)
                h += biases[number]
                last = layer is layers[-1]
                np.maximum(h, layer.zeros, out=h if last else layers[number + 1].input[0])
            loss, kept = head.forward(h, targets)
            total += loss
            dh = head.backward(*kept, layers[-1].side ** 2)
            for number in reversed(range(len(layers))):
                layer = layers[number]
                layer.relu_backward(0, layer.output[0], dh)
                layer.weight_backward(0, lowered=True)
                dbiases[number][...] += layer.channel_sums(layer.doutput[0])
                if number:
                    dh = layer.input_backward(0)
        parameters.update()
        return total * head.share

    return Trainer(numpy_draw(problem), step, np.asarray)


def with_batch_norm(problem):
    """Batch norm needs sums over the whole batch, so every layer runs over all chunks before the next one starts."""
    starts = range(0, problem.batch, CHUNK)
    chunks = range(len(starts))
    parameters, layers, others, head = parts(problem, len(chunks))
    gains, biases = zip(*(rest for rest, _ in others))
    dgains, dbiases = zip(*(drest for _, drest in others))
    running = [(np.zeros(layer.outputs, np.float32), np.ones(layer.outputs, np.float32)) for layer in layers]
    tops = [empty(*layers[-1].output[0].shape) for _ in chunks]  # what comes out of the last ReLU

    def normalise(number):
        """Moves the running statistics; returns the mean and 1 / std of every channel."""
        layer = layers[number]
        count = np.float32(problem.batch * layer.side**2)
        mean = sum(layer.channel_sums(output) for output in layer.output) / count
        variance = sum(layer.channel_products(output, output) for output in layer.output) / count - mean * mean
        running_mean, running_variance = running[number]
        running_mean += MOMENTUM * (mean - running_mean)
        running_variance += MOMENTUM * (variance * (count / (count - 1)) - running_variance)
        return mean, 1 / np.sqrt(variance + EPS)

    def phases(indices):
        targets = [fetch(problem, indices[start : start + CHUNK], x) for start, x in zip(starts, layers[0].input)]
        moments = []
        for number, layer in enumerate(layers):
            for chunk in chunks:
                layer.forward(chunk)
            mean, inverse = normalise(number)
            moments.append((mean, inverse))
            scale = gains[number] * inverse
            shift = biases[number] - mean * scale
            following = tops if layer is layers[-1] else layers[number + 1].input
            for chunk in chunks:
                h = np.multiply(layer.output[chunk], scale[:, None], out=layer.doutput[chunk])  # not needed before backward
                h += shift[:, None]
                np.maximum(h, layer.zeros, out=following[chunk])
        losses, kept = zip(*(head.forward(top, labels) for top, labels in zip(tops, targets)))
        yield sum(losses) * head.share

        parameters.flat_gradient[:] = 0
        for chunk in chunks:
            layers[-1].relu_backward(chunk, tops[chunk], head.backward(*kept[chunk], layers[-1].side ** 2))
        for number in reversed(range(len(layers))):
            layer, (mean, inverse) = layers[number], moments[number]
            dbias = sum(layer.channel_sums(dh) for dh in layer.doutput)
            products = sum(layer.channel_products(dh, h) for dh, h in zip(layer.doutput, layer.output))
            dgain = (products - mean * dbias) * inverse
            dbiases[number][...], dgains[number][...] = dbias, dgain
            # dx = scale * (dy - dbias / count - normalised * dgain / count), with normalised = (x - mean) * inverse
            scale, count = gains[number] * inverse, np.float32(problem.batch * layer.side**2)
            slope = -scale * inverse * dgain / count
            offset = -scale * dbias / count - slope * mean
            for chunk in chunks:
                h, dh = layer.output[chunk], layer.doutput[chunk]
                h *= slope[:, None]
                h += offset[:, None]
                dh *= scale[:, None]
                dh += h
                layer.weight_backward(chunk, lowered=False)
                if number:
                    before = layers[number - 1]
                    before.relu_backward(chunk, layer.input[chunk], layer.input_backward(chunk))
        yield

        parameters.update()

    return in_phases(numpy_draw(problem), phases, np.asarray)
