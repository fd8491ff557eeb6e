/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_vulkan_queue.h - the part of fake_vulkan.c with the queue, which runs
 * commands, and timeline semaphores.
 */

struct semaphore {
    uint64_t value;
    uint64_t submitted; /* the highest value a batch will signal */
};

struct submission {
    struct submission *next;
    struct command_buffer *cmd;
    struct semaphore *signal;
    uint64_t value;
};

static struct submission *queue_first, *queue_last;

static void command_run(const struct command *c)
{
    struct timespec now;
    uint32_t word;
    uint64_t ns;
    size_t i;

    switch (c->kind) {
    case CMD_COPY:
        memmove(c->to, c->from, c->size);
        break;
    case CMD_FILL:
        for (i = 0; i + 4 <= c->size; i += 4)
            memcpy(c->to + i, &c->word, 4);
        break;
    case CMD_ADD:
        memcpy(&word, c->to, 4);
        word++;
        memcpy(c->to, &word, 4);
        break;
    case CMD_STAMP:
        clock_gettime(CLOCK_MONOTONIC, &now);
        ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
        memcpy(c->to, &ns, 8);
        break;
    }
}

static void queue_run_locked(void)
{
    while (queue_first && !config.stalled) {
        struct submission *s = queue_first;

        queue_first = s->next;
        /* A lost device runs nothing, and its objects may be gone already. */
        for (unsigned i = 0; !lost && i < s->cmd->n; i++)
            command_run(&s->cmd->cmds[i]);
        if (!lost)
            s->signal->value = s->value;
        free(s);
    }
    if (!queue_first)
        queue_last = NULL;
    pthread_cond_broadcast(&changed);
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_QueueSubmit(VkQueue q, uint32_t n,
                                                       const VkSubmitInfo *in,
                                                       VkFence fence)
{
    const VkTimelineSemaphoreSubmitInfo *values = in->pNext;
    VkResult r = due();
    struct submission *s;

    (void)q, (void)n, (void)fence;
    if (r != VK_SUCCESS)
        return r;
    s = calloc(1, sizeof *s);
    s->cmd = (struct command_buffer *)in->pCommandBuffers[0];
    s->signal = PTR(in->pSignalSemaphores[0]);
    s->value = values->pSignalSemaphoreValues[0];
    pthread_mutex_lock(&lock);
    for (uint32_t i = 0; i < in->waitSemaphoreCount; i++) {
        const struct semaphore *w = PTR(in->pWaitSemaphores[i]);

        /* What the backend promises never to do. */
        if (w->value < values->pWaitSemaphoreValues[i] &&
            w->submitted < values->pWaitSemaphoreValues[i])
            n_unready++;
    }
    if (s->value <= s->signal->submitted || s->value <= s->signal->value)
        n_unready++; /* values must grow */
    s->signal->submitted = s->value;
    if (queue_last)
        queue_last->next = s;
    else
        queue_first = s;
    queue_last = s;
    if (!config.deferred)
        queue_run_locked();
    pthread_mutex_unlock(&lock);
    return VK_SUCCESS;
}

PLAIN_CREATE(Semaphore, VkSemaphoreCreateInfo, VkSemaphore,
             sizeof(struct semaphore))

static VKAPI_ATTR void VKAPI_CALL fake_DestroySemaphore(
    VkDevice dev, VkSemaphore h, const VkAllocationCallbacks *a)
{
    const struct semaphore *s = PTR(h);

    (void)dev, (void)a;
    if (s && !lost && s->value < s->submitted)
        n_busy_frees++;
    drop(PTR(h));
}

static VKAPI_ATTR VkResult VKAPI_CALL
fake_GetSemaphoreCounterValue(VkDevice dev, VkSemaphore h, uint64_t *out)
{
    VkResult r = due();

    (void)dev;
    if (r == VK_SUCCESS) {
        pthread_mutex_lock(&lock);
        *out = ((struct semaphore *)PTR(h))->value;
        pthread_mutex_unlock(&lock);
    }
    return r;
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_WaitSemaphores(
    VkDevice dev, const VkSemaphoreWaitInfo *in, uint64_t timeout)
{
    const struct semaphore *s = PTR(in->pSemaphores[0]);
    VkResult r = due();
    struct timespec until;

    (void)dev;
    if (r != VK_SUCCESS)
        return r;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)(timeout % 1000000000u);
    until.tv_sec += (long)(timeout / 1000000000u) + until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&lock);
    queue_run_locked();
    while (r == VK_SUCCESS && s->value < in->pValues[0]) {
        if (lost)
            r = VK_ERROR_DEVICE_LOST;
        else if (pthread_cond_timedwait(&changed, &lock, &until))
            r = VK_TIMEOUT;
        queue_run_locked();
    }
    pthread_mutex_unlock(&lock);
    return r;
}

static VKAPI_ATTR VkResult VKAPI_CALL
fake_SignalSemaphore(VkDevice dev, const VkSemaphoreSignalInfo *in)
{
    struct semaphore *s = PTR(in->semaphore);
    VkResult r = due();

    (void)dev;
    if (r == VK_SUCCESS) {
        pthread_mutex_lock(&lock);
        if (in->value <= s->value || s->submitted > s->value)
            n_unready++;
        s->value = s->submitted = in->value;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    return r;
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_DeviceWaitIdle(VkDevice dev)
{
    (void)dev;
    pthread_mutex_lock(&lock);
    queue_run_locked();
    pthread_mutex_unlock(&lock);
    return lost ? VK_ERROR_DEVICE_LOST : VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL
fake_DestroyDevice(VkDevice dev, const VkAllocationCallbacks *a)
{
    (void)a;
    fake_DeviceWaitIdle(dev);
    drop(dev);
}

static VKAPI_ATTR void VKAPI_CALL fake_GetDeviceQueue(VkDevice dev,
                                                      uint32_t family,
                                                      uint32_t i, VkQueue *out)
{
    (void)family, (void)i;
    *out = (VkQueue)dev;
}
