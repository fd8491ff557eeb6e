/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_vulkan_commands.h - the part of fake_vulkan.c with command buffers,
 * descriptors and queries: commands are recorded and run later.
 */

enum { CMD_COPY, CMD_FILL, CMD_ADD, CMD_STAMP };

struct command {
    int kind;
    char *to;
    const char *from;
    size_t size;
    uint32_t word;
};

struct command_buffer {
    struct command_buffer *next;
    struct command cmds[256];
    unsigned n;
    unsigned n_ordered; /* of cmds: before the last barrier between commands */
    int is_ordered;     /* after what was submitted earlier, by a barrier */
    char *bound;        /* first word of the first buffer that is bound */
};

struct command_pool {
    struct command_buffer *buffers;
};

PLAIN_CREATE(CommandPool, VkCommandPoolCreateInfo, VkCommandPool,
             sizeof(struct command_pool))

static VKAPI_ATTR void VKAPI_CALL fake_DestroyCommandPool(
    VkDevice dev, VkCommandPool h, const VkAllocationCallbacks *a)
{
    struct command_pool *pool = PTR(h);

    (void)dev, (void)a;
    while (pool->buffers) {
        struct command_buffer *b = pool->buffers;

        pool->buffers = b->next;
        free(b);
    }
    drop(pool);
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_AllocateCommandBuffers(
    VkDevice dev, const VkCommandBufferAllocateInfo *in, VkCommandBuffer *out)
{
    struct command_pool *pool = PTR(in->commandPool);
    VkResult r = due();

    (void)dev;
    if (r == VK_SUCCESS) {
        struct command_buffer *b = calloc(1, sizeof *b);

        b->next = pool->buffers;
        pool->buffers = b;
        *out = (VkCommandBuffer)b;
    }
    return r;
}

static VKAPI_ATTR VkResult VKAPI_CALL
fake_BeginCommandBuffer(VkCommandBuffer h, const VkCommandBufferBeginInfo *in)
{
    struct command_buffer *b = (struct command_buffer *)h;

    (void)in;
    b->n = b->n_ordered = 0;
    b->is_ordered = 0;
    return due();
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_EndCommandBuffer(VkCommandBuffer h)
{
    (void)h;
    return due();
}

static int meet(const char *a, size_t a_size, const char *b, size_t b_size)
{
    return a && b && a < b + b_size && b < a + a_size;
}

/* One of the two writes what the other reads or writes. */
static int conflict(const struct command *a, const struct command *b)
{
    return meet(a->to, a->size, b->to, b->size) ||
           meet(a->to, a->size, b->from, b->size) ||
           meet(a->from, a->size, b->to, b->size);
}

static void command_add(VkCommandBuffer h, struct command c)
{
    struct command_buffer *b = (struct command_buffer *)h;
    int is_unordered = c.kind != CMD_STAMP && !b->is_ordered;

    for (unsigned i = b->n_ordered; i < b->n && c.kind != CMD_STAMP; i++)
        is_unordered |=
            b->cmds[i].kind != CMD_STAMP && conflict(&b->cmds[i], &c);
    if (is_unordered) {
        pthread_mutex_lock(&lock);
        n_unordered++;
        pthread_mutex_unlock(&lock);
    }
    if (b->n < 256)
        b->cmds[b->n++] = c;
}

static char *buffer_at(VkBuffer h, VkDeviceSize at)
{
    const struct buffer *b = PTR(h);

    return b->memory->bytes + at;
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdPipelineBarrier(
    VkCommandBuffer h, VkPipelineStageFlags from, VkPipelineStageFlags to,
    VkDependencyFlags flags, uint32_t n, const VkMemoryBarrier *m, uint32_t nb,
    const VkBufferMemoryBarrier *b, uint32_t ni, const VkImageMemoryBarrier *i)
{
    const VkPipelineStageFlags stages =
        VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkAccessFlags writes =
        VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    const VkAccessFlags all =
        writes | VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;
    struct command_buffer *buffer = (struct command_buffer *)h;

    (void)flags, (void)nb, (void)b, (void)ni, (void)i;
    if (n != 1 || (from & stages) != stages || (to & stages) != stages ||
        (m->srcAccessMask & writes) != writes ||
        (m->dstAccessMask & all) != all)
        return;
    buffer->n_ordered = buffer->n;
    buffer->is_ordered = 1;
}

static VKAPI_ATTR void VKAPI_CALL
fake_CmdCopyBuffer(VkCommandBuffer h, VkBuffer from, VkBuffer to, uint32_t n,
                   const VkBufferCopy *regions)
{
    for (uint32_t i = 0; i < n; i++)
        command_add(
            h, (struct command){ .kind = CMD_COPY,
                                 .to = buffer_at(to, regions[i].dstOffset),
                                 .from = buffer_at(from, regions[i].srcOffset),
                                 .size = regions[i].size });
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdFillBuffer(VkCommandBuffer h,
                                                     VkBuffer to,
                                                     VkDeviceSize at,
                                                     VkDeviceSize size,
                                                     uint32_t word)
{
    command_add(h, (struct command){ .kind = CMD_FILL,
                                     .to = buffer_at(to, at),
                                     .size = size,
                                     .word = word });
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdBindPipeline(VkCommandBuffer h,
                                                       VkPipelineBindPoint p,
                                                       VkPipeline pipeline)
{
    (void)h, (void)p, (void)pipeline;
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdPushConstants(
    VkCommandBuffer h, VkPipelineLayout l, VkShaderStageFlags s, uint32_t at,
    uint32_t size, const void *bytes)
{
    (void)h, (void)l, (void)s, (void)at, (void)size, (void)bytes;
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdDispatch(VkCommandBuffer h,
                                                   uint32_t x, uint32_t y,
                                                   uint32_t z)
{
    (void)x, (void)y, (void)z;
    command_add(h, (struct command){ .kind = CMD_ADD,
                                     .to = ((struct command_buffer *)h)->bound,
                                     .size = 4 });
}

/* ---- descriptors ----------------------------------------------------- */

struct descriptor_pool {
    char *sets[4096]; /* what each has bound first */
    unsigned n;
};

PLAIN_CREATE(DescriptorPool, VkDescriptorPoolCreateInfo, VkDescriptorPool,
             sizeof(struct descriptor_pool))
PLAIN_DESTROY(DescriptorPool, VkDescriptorPool)

static VKAPI_ATTR VkResult VKAPI_CALL fake_ResetDescriptorPool(
    VkDevice dev, VkDescriptorPool h, VkDescriptorPoolResetFlags flags)
{
    (void)dev, (void)flags;
    ((struct descriptor_pool *)PTR(h))->n = 0;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_AllocateDescriptorSets(
    VkDevice dev, const VkDescriptorSetAllocateInfo *in, VkDescriptorSet *out)
{
    struct descriptor_pool *pool = PTR(in->descriptorPool);
    VkResult r = due();

    (void)dev;
    if (r == VK_SUCCESS && pool->n == 4096)
        r = VK_ERROR_OUT_OF_POOL_MEMORY;
    if (r == VK_SUCCESS)
        *out = HANDLE(VkDescriptorSet, &pool->sets[pool->n++]);
    return r;
}

static VKAPI_ATTR void VKAPI_CALL fake_UpdateDescriptorSets(
    VkDevice dev, uint32_t n, const VkWriteDescriptorSet *w, uint32_t nc,
    const VkCopyDescriptorSet *c)
{
    (void)dev, (void)nc, (void)c;
    if (n)
        *(char **)PTR(w->dstSet) =
            buffer_at(w->pBufferInfo->buffer, w->pBufferInfo->offset);
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdBindDescriptorSets(
    VkCommandBuffer h, VkPipelineBindPoint p, VkPipelineLayout l,
    uint32_t first, uint32_t n, const VkDescriptorSet *sets, uint32_t nd,
    const uint32_t *d)
{
    (void)p, (void)l, (void)first, (void)n, (void)nd, (void)d;
    ((struct command_buffer *)h)->bound = *(char **)PTR(sets[0]);
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdPushDescriptorSetKHR(
    VkCommandBuffer h, VkPipelineBindPoint p, VkPipelineLayout l, uint32_t set,
    uint32_t n, const VkWriteDescriptorSet *w)
{
    (void)p, (void)l, (void)set;
    if (n)
        ((struct command_buffer *)h)->bound =
            buffer_at(w->pBufferInfo->buffer, w->pBufferInfo->offset);
}

/* ---- queries --------------------------------------------------------- */

struct query_pool {
    uint64_t ns[64];
};

PLAIN_CREATE(QueryPool, VkQueryPoolCreateInfo, VkQueryPool,
             sizeof(struct query_pool))
PLAIN_DESTROY(QueryPool, VkQueryPool)

static VKAPI_ATTR void VKAPI_CALL fake_CmdResetQueryPool(VkCommandBuffer h,
                                                         VkQueryPool q,
                                                         uint32_t first,
                                                         uint32_t n)
{
    (void)h, (void)q, (void)first, (void)n;
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdWriteTimestamp(
    VkCommandBuffer h, VkPipelineStageFlagBits stage, VkQueryPool q, uint32_t i)
{
    (void)stage;
    command_add(h, (struct command){
                       .kind = CMD_STAMP,
                       .to = (char *)&((struct query_pool *)PTR(q))->ns[i] });
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_GetQueryPoolResults(
    VkDevice dev, VkQueryPool q, uint32_t first, uint32_t n, size_t size,
    void *out, VkDeviceSize stride, VkQueryResultFlags flags)
{
    VkResult r = due();

    (void)dev, (void)n, (void)size, (void)stride, (void)flags;
    if (r == VK_SUCCESS)
        memcpy(out, &((struct query_pool *)PTR(q))->ns[first], 8);
    return r;
}
